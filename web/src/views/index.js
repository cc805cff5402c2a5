// The views of a job, in the order of their tabs. A view is
//   id, label            its name in the address, and on the tab
//   controls(state, tracks)  names of the controls it uses (pages/controls.js)
//   text(state, quantity)  what to see in it
//   needs(ctx)           {bins, source, layers} of the histograms it draws
//   charts(ctx)          [{key, title, label, words, table(), csv(), ...}]:
//                        pictures (chart.js has their other members) and
//                        their numbers
//   body(ctx)            elements, for what is not a picture
//   shown(tracks)        whether there is such a tab
// ctx: {tracks, state, ink, epochOf(track), nameOf(track), comparisons, room()};
// room(): pixels from the top of a chart to the bottom of the window
import { heat } from './heat.js';
import { histogram } from './histogram.js';
import { profile } from './profile.js';
import { ridge } from './ridge.js';
import { training } from './training.js';
import { verdict } from './verdict.js';

export const VIEWS = [histogram, ridge, heat, profile, training, verdict];
export const viewOf = (state) => VIEWS.find((view) => view.id === state.view) ?? histogram;
