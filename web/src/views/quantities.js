// What can be recorded (docs/quantities.md), in words: by the key that views
// take, its choice in the control, the title of its axis, and what one of its
// values is called.
const WORDS = {
  grad_out: ['gradient at the output', 'L2 norm of the gradient at the layer’s output', 'norm'],
  grad_w: ['gradient of the weights', 'L2 norm of the gradient of the layer’s weights', 'norm'],
  weight: ['weights', 'L2 norm of the layer’s weights', 'norm'],
  grad_rms: ['gradient at the output, per element',
    'root mean square of the gradient at the layer’s output', 'root mean square'],
  grad_sample: ['gradient at the output, of one image',
    'L2 norm of one image’s gradient at the layer’s output', 'norm'],
  update: ['update of the weights', 'L2 norm of the weights’ update over that of the weights',
    'relative update'],
  act_mean: ['activation, mean', 'mean of the layer’s activation', 'mean activation'],
  act_std: ['activation, deviation', 'standard deviation of the layer’s activation',
    'deviation of the activation'],
  act_zeros: ['activation, share of zeros', 'share of the layer’s activation that is zero',
    'share of zeros'],
  branch_share: ['gradient by the branch, its share',
    'share of the gradient at the block’s input that comes through its branch', 'branch’s share'],
  weight_grad: ['weights times their gradient',
    'L2 norm of the weights times that of their gradient', 'product'],
};
// Those that vanish or explode on their way to the input.
const GRADIENTS = ['grad_out', 'grad_w', 'grad_rms', 'grad_sample'];

// What a job records under other keys than its name.
const KEYS = { act: ['act_mean', 'act_std', 'act_zeros'] };

export const keysOf = (quantities) => quantities.flatMap((name) => KEYS[name] ?? [name]);
export const choiceOf = (key) => WORDS[key]?.[0] ?? key;
export const axisOf = (key) => WORDS[key]?.[1] ?? key;
export const valueOf = (key) => WORDS[key]?.[2] ?? 'value';
export const isGradient = (key) => GRADIENTS.includes(key);

export const capital = (text) => text[0].toUpperCase() + text.slice(1);
