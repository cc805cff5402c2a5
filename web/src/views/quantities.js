// What can be recorded (docs/quantities.md), in words: by the key that views
// take, its choice in the control and the title of its axis.
const WORDS = {
  grad_out: ['gradient at the output', 'L2 norm of the gradient at the layer’s output'],
  grad_w: ['gradient of the weights', 'L2 norm of the gradient of the layer’s weights'],
  weight: ['weights', 'L2 norm of the layer’s weights'],
  grad_rms: ['gradient at the output, per element',
    'root mean square of the gradient at the layer’s output'],
  grad_sample: ['gradient at the output, of one image',
    'L2 norm of one image’s gradient at the layer’s output'],
  update: ['update of the weights', 'L2 norm of the weights’ update over that of the weights'],
  act_mean: ['activation, mean', 'mean of the layer’s activation'],
  act_std: ['activation, deviation', 'standard deviation of the layer’s activation'],
  act_zeros: ['activation, share of zeros', 'share of the layer’s activation that is zero'],
  branch_share: ['gradient by the branch, its share',
    'share of the gradient at the block’s input that comes through its branch'],
  weight_grad: ['weights times their gradient',
    'L2 norm of the weights times that of their gradient'],
};

// What a job records under other keys than its name.
const KEYS = { act: ['act_mean', 'act_std', 'act_zeros'] };

export const keysOf = (quantities) => quantities.flatMap((name) => KEYS[name] ?? [name]);
export const choiceOf = (key) => WORDS[key]?.[0] ?? key;
export const axisOf = (key) => WORDS[key]?.[1] ?? key;
