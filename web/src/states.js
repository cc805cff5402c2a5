// The states of a job, as people look for them.
export const ENDED = ['done', 'failed', 'cancelled', 'diverged'];
export const STATES = ['queued', 'starting', 'running', 'paused', ...ENDED];

export const hasEnded = (job) => ENDED.includes(job.state);
