/* daemon/routes.h: one function per row of the table in routes.c, by file. */
#pragma once
#include "common/sha256.h"
#include "daemon/http.h"

// routes.c: the daemon itself. routes_what.c: what there is to train.
handler routes_page, routes_file, routes_health, routes_ready, routes_metrics,
        routes_api, routes_devices, routes_models, routes_model,
        routes_datasets, routes_openapi;

// routes_login.c: how a browser gets in.
handler routes_login, routes_login_link;

// routes_jobs.c: jobs and their events.
handler routes_submit, routes_list, routes_list_csv, routes_job, routes_remove,
        routes_cancel, routes_events, routes_all_events, routes_log;

// routes_steer.c: changing jobs that are there. routes_checkpoints.c.
handler routes_pause, routes_resume, routes_clone, routes_move, routes_edit,
        routes_queue, routes_drain, routes_undrain,
        routes_checkpoints, routes_checkpoint;

// routes_groups.c: jobs that belong together.
handler routes_sweep, routes_group, routes_group_cancel;

// What routes read alike; false when a problem is in rp.
bool routes_flag_param(struct request *rq, struct reply *rp, const char *name,
                       bool *out);
// The client's Idempotency-Key into *once, whose hash is of the whole request;
// *once->key stays NULL when there is none.
bool routes_read_once(struct request *rq, struct reply *rp, struct once *once,
                      char hash[SHA256_TEXT]);
// The jobs of the group that the address names, as `jobs` of a list; NULL with
// the problem in rp. Caller owns.
json_t *routes_group_jobs(struct request *rq, struct reply *rp);

// Tells a client about a job that it cannot have changed: 404, or 409 with the
// state it is in.
void routes_refuse_state(struct request *rq, struct reply *rp,
                         const struct error *err);
// Submits a job for routes_submit() and routes_clone().
void routes_submit_job(struct request *rq, const struct job *job,
                       struct reply *rp);

// routes_views.c: what people ask about a job's records.
handler routes_gradients, routes_gradients_csv, routes_gradients_columns,
        routes_histograms, routes_histograms_csv, routes_histograms_columns,
        routes_profile, routes_profile_csv, routes_profile_columns,
        routes_job_metrics, routes_job_metrics_csv, routes_job_metrics_columns,
        routes_verdict, routes_probe;

// routes_compare.c: of several jobs.
handler routes_compare, routes_compare_csv, routes_compare_columns,
        routes_group_compare, routes_group_compare_csv,
        routes_group_compare_columns;
