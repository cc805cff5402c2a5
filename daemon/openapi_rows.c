/* What each route takes and answers with. tests/openapi holds every answer of
 * the test suites against this. */
#include "daemon/openapi.h"

#define API "/api/v1"
#define JOB API "/jobs/{id}"
#define STATES "queued|starting|running|paused|done|failed|cancelled|diverged"
#define QUANTITY "quantity layers epochs"
#define VERDICTS \
    "healthy|vanishing|exploding|dead|stalled|diverged|unknown"

const struct operation openapi_rows[] = {
    { "/healthz", "get", "health", "Whether the daemon is alive", "", "", 200,
      "str" },
    { "/readyz", "get", "ready", "Whether it is able to work", "", "", 200,
      "str" },
    { "/metrics", "get", "metrics", "Its state in Prometheus' text format", "",
      "", 200, "str" },
    { API, "get", "describe", "Name, version, limits in force, links", "", "",
      200, "Api" },
    { API "/openapi.json", "get", "openapi", "This document", "", "", 200,
      "{any}" },
    { API "/login", "post", "makeLogin",
      "A link that logs a browser in, once", "", "", 201, "Login" },
    { API "/devices", "get", "listDevices", "What there is to train with", "",
      "", 200, "Devices" },
    { API "/models", "get", "listModels", "The networks", "", "", 200,
      "Models" },
    { API "/models/{word}", "get", "getModel",
      "Layers, shapes and parameters of a network",
      "skip norm width classes image_size", "", 200, "Model" },
    { API "/datasets", "get", "listDatasets", "What there is to train on", "",
      "", 200, "Datasets" },
    { API "/events", "get", "followEvents",
      "Events of all jobs (docs/events.md)", "since Last-Event-ID", "", 200,
      "str" },
    { API "/queue", "get", "getQueue", "What waits and what runs", "", "", 200,
      "Queue" },
    { API "/queue/drain", "post", "drainQueue",
      "Lets jobs that run go on and starts no other", "", "", 200, "Queue" },
    { API "/queue/undrain", "post", "undrainQueue", "Starts jobs again", "",
      "", 200, "Queue" },
    { API "/jobs", "get", "listJobs", "Jobs, newest first",
      "state group limit cursor", "", 200, "Jobs" },
    { API "/jobs.csv", "get", "listJobsCsv", "The same, a row a job",
      "state group limit cursor", "", 200, "str" },
    { API "/jobs", "post", "submitJob",
      "Queues a job; with dry_run (200) only says what it would be",
      "dry_run Idempotency-Key", "JobSpec", 201, "Job" },
    { JOB, "get", "getJob", "One job", "", "", 200, "Job" },
    { JOB, "delete", "removeJob", "Removes an ended job and its files", "", "",
      204, "" },
    { JOB "/cancel", "post", "cancelJob", "Ends a job", "", "", 202, "Job" },
    { JOB, "patch", "editJob", "Changes name or priority", "", "JobEdit", 200,
      "Job" },
    { JOB "/pause", "post", "pauseJob", "Stops a job until it is resumed", "",
      "", 202, "Job" },
    { JOB "/resume", "post", "resumeJob", "Lets a paused job go on", "", "",
      202, "Job" },
    { JOB "/clone", "post", "cloneJob",
      "Queues a job's spec again, with changes (RFC 7386)", "Idempotency-Key",
      "{any}?", 201, "Job" },
    { JOB "/move", "post", "moveJob", "Gives a waiting job another place", "",
      "JobMove", 202, "Job" },
    { JOB "/checkpoints", "get", "listCheckpoints", "What is kept", "", "", 200,
      "Checkpoints" },
    { JOB "/checkpoints/{word}", "get", "getCheckpoint",
      "The file of an epoch (or last), as safetensors", "", "", 200, "any" },
    { JOB "/events", "get", "followJob",
      "Events of one job (docs/events.md); 204 after its last one",
      "since Last-Event-ID", "", 200, "str" },
    { JOB "/log", "get", "getLog", "What its training process wrote", "", "",
      200, "str" },
    { JOB "/gradients", "get", "getGradients",
      "Samples and summary of each layer and epoch", QUANTITY, "", 200,
      "Gradients" },
    { JOB "/gradients.csv", "get", "getGradientsCsv", "Every sample as a row",
      QUANTITY, "", 200, "str" },
    { JOB "/gradients.columns", "get", "getGradientsColumns",
      "The same, column by column", QUANTITY, "", 200, "Columns" },
    { JOB "/histograms", "get", "getHistograms",
      "Distributions of each layer and epoch", QUANTITY " bins source density",
      "", 200, "Histograms" },
    { JOB "/histograms.csv", "get", "getHistogramsCsv", "Every bin as a row",
      QUANTITY " bins source density", "", 200, "str" },
    { JOB "/histograms.columns", "get", "getHistogramsColumns",
      "The same, column by column", QUANTITY " bins source density", "", 200,
      "Columns" },
    { JOB "/profile", "get", "getProfile", "Norms over depth, with their slope",
      QUANTITY, "", 200, "Profile" },
    { JOB "/profile.csv", "get", "getProfileCsv",
      "The summary of each layer and epoch as a row", QUANTITY, "", 200,
      "str" },
    { JOB "/profile.columns", "get", "getProfileColumns",
      "The same, column by column", QUANTITY, "", 200, "Columns" },
    { JOB "/verdict", "get", "getVerdict", "Whether the gradients are healthy",
      "", "", 200, "Verdict" },
    { JOB "/metrics", "get", "getMetrics", "Loss, accuracy and speed",
      "epochs detail", "", 200, "Metrics" },
    { JOB "/metrics.csv", "get", "getMetricsCsv", "Every epoch as a row",
      "epochs", "", 200, "str" },
    { JOB "/metrics.columns", "get", "getMetricsColumns",
      "The same, column by column", "epochs", "", 200, "Columns" },
    { JOB "/probe", "get", "getProbe",
      "How the images of a fixed batch agree, by layer", "layers", "", 200,
      "Probes" },
    { API "/compare", "get", "compareJobs", "Jobs against each other, by layer",
      "jobs against " QUANTITY, "", 200, "Comparison" },
    { API "/compare.csv", "get", "compareJobsCsv", "The same, a row a layer",
      "jobs against " QUANTITY, "", 200, "str" },
    { API "/compare.columns", "get", "compareJobsColumns",
      "The same, column by column", "jobs against " QUANTITY, "", 200,
      "Columns" },
    { API "/sweeps", "post", "submitSweep", "Queues a job for every "
      "combination of values, all or none; with dry_run (200) says which",
      "dry_run Idempotency-Key", "SweepSpec", 201, "Sweep" },
    { API "/groups/{word}", "get", "getGroup", "The jobs of a group, by what "
      "they differ in other than seeds", "", "", 200, "Group" },
    { API "/groups/{word}/cancel", "post", "cancelGroup",
      "Ends all jobs of a group", "", "", 202, "GroupCancelled" },
    { API "/groups/{word}/compare", "get", "compareGroup",
      "Each set of a group against its first, by layer", QUANTITY, "", 200,
      "GroupComparison" },
    { API "/groups/{word}/compare.csv", "get", "compareGroupCsv",
      "The same, a row a set and layer", QUANTITY, "", 200, "str" },
    { API "/groups/{word}/compare.columns", "get", "compareGroupColumns",
      "The same, column by column", QUANTITY, "", 200, "Columns" },
    { 0 },
};

const struct operation_param openapi_params[] = {
    { "skip", "str", "true, false, or stages that keep theirs: layer3,layer4" },
    { "norm", "batch|none", "normalisation" },
    { "width", "num", "channels as a multiple of the paper's" },
    { "classes", "int", "outputs (200)" },
    { "image_size", "int", "pixels a side (224)" },
    { "since", "int", "replay the stored events after this one" },
    { "Last-Event-ID", "int", "the same, as an EventSource says it" },
    { "state", "str", "a comma list of " STATES },
    { "limit", "int", "at most so many, 1 to 500 (50)" },
    { "group", "str", "only jobs of this group" },
    { "cursor", "int", "`next` of the page before" },
    { "dry_run", "bool", "store nothing, answer with a plan" },
    { "Idempotency-Key", "str", "the same key, the same job: for requests "
      "that are sent again" },
    { "quantity", "str", "what was recorded (docs/quantities.md); not given: "
      "the first that the job records" },
    { "layers", "str", "all, notebook, or a comma list of names and globs" },
    { "epochs", "str", "such as 1,3-5,last; not given: all" },
    { "bins", "notebook|extended|decade8", "the grid of the histogram" },
    { "source", "all|samples", "every step, or the kept ones" },
    { "density", "decade|linear", "per decade of x, or per unit of x" },
    { "detail", "epochs|steps", "steps adds the loss of the early ones" },
    { "jobs", "str", "a comma list of ids" },
    { "against", "str", "a comma list of ids to compare them with" },
    { 0 },
};

const struct operation_type openapi_types[] = {
    { "Problem", "type:str title:str status:int detail:str errors:[Mistake] "
      "state~:" STATES },
    { "Mistake", "pointer:str value:any message:str" },
    { "Api", "name:str version:str started_at:time limits:Limits links:{str}" },
    { "Limits", "body_bytes:int header_bytes:int address_bytes:int "
      "queued_jobs:int watchers:int scrapes_per_second:int" },
    { "Login", "path:str expires_at:time?" },
    { "JobEdit", "name~:str priority~:int" },
    { "JobMove", "before~:int? first~:bool" },
    { "Queue", "draining:bool queued:int paused:int running:int" },
    { "Checkpoints", "job:int checkpoints:[Checkpoint]" },
    { "Checkpoint", "epoch:int step:int time:time bytes:int sha256:str "
      "href:str" },
    { "Devices", "devices:[Device] notes:[str]" },
    { "Device", "backend:str index:int name:str bytes_total:int bytes_free:int "
      "job:int?" },
    { "Models", "models:[ModelName]" },
    { "ModelName", "name:str links:{str}" },
    { "Model", "name:str skip:any norm:batch|none width:num classes:int "
      "image_size:int parameters:Parameters layers:[ModelLayer]" },
    { "ModelLayer", "name:str shape:[int] parameters:int depth:int main:bool" },
    { "Parameters", "held:int used:int" },
    { "Datasets", "datasets:[Dataset]" },
    { "Dataset", "source:str root:str? available:bool folders:[str]" },
    { "Jobs", "jobs:[Job] next:int? last_event_id:int" },
    { "Job", "id:int name:str state:" STATES " spec:StoredSpec created_at:time "
      "started_at:time? ended_at:time? device:JobDevice? attempt:int "
      "parameters:Parameters? progress:Progress loss:num? accuracy:num? "
      "error:Failure? waiting_for:str? expected:Expected last_event_id:int "
      "links:{str}" },
    { "JobDevice", "backend:str index:int name:str" },
    { "Expected", "start_at:time? end_at:time?" },
    { "Progress", "epoch:int epochs:int step:int steps_per_epoch:int? "
      "images_per_second:num? eta_seconds:num?" },
    { "Failure", "code:str message:str errors~:[Mistake]" },
    { "Plan", "spec:StoredSpec parameters:Parameters layers:[PlanLayer] "
      "steps_per_epoch:int memory_bytes:int" },
    { "PlanLayer", "name:str shape:[int] depth:int main:bool" },
    { "Gradients", "job:int quantity:str layers:[str] epochs:[GradientEpoch]" },
    { "GradientEpoch", "epoch:int complete:bool steps:int layers:{Samples}" },
    { "Samples", "count:int nonfinite:int zeros:int samples:[num?] min:num? "
      "p05:num? p25:num? median:num? p75:num? p95:num? max:num? mean:num?" },
    { "Histograms", "job:int quantity:str bins:Bins density:decade|linear "
      "epochs:[HistogramEpoch]" },
    { "Bins", "edges:[num]" },
    { "HistogramEpoch", "epoch:int complete:bool layers:{Histogram}" },
    { "Histogram", "counts:[int] density:[num]? underflow:int overflow:int "
      "zeros:int nonfinite:int" },
    { "Profile", "job:int quantity:str theory:Theory? epochs:[ProfileEpoch] "
      "early_steps:[ProfileStep]" },
    { "Theory", "factor_per_layer:num decades_per_layer:num source:str" },
    { "ProfileEpoch", "epoch:int complete:bool layers:[ProfileLayer] "
      "slope:Slope" },
    { "ProfileLayer", "layer:str depth:int main:bool median:num? p05:num? "
      "p25:num? p75:num? p95:num?" },
    { "ProfileStep", "step:int loss:num? layers:[StepLayer] slope:Slope" },
    { "StepLayer", "layer:str depth:int value:num?" },
    { "Slope", "factor_per_layer:num? decades_per_layer:num? low:num? "
      "high:num? r2:num? ratio:num?" },
    { "Verdict", "job:int verdict:" VERDICTS " summary:str "
      "evidence:[Evidence] epochs:[EpochVerdict] start:StartVerdict? "
      "limits:{num}" },
    { "Evidence", "rule:str value:num? threshold:num? layers:[str] "
      "epochs:[int] href:str decides:bool" },
    { "EpochVerdict", "epoch:int verdict:" VERDICTS " rule:str" },
    { "StartVerdict", "step:int verdict:" VERDICTS " rule:str" },
    { "Metrics", "job:int epochs:[EpochMetrics] steps~:[StepLoss]" },
    { "Columns", "rows:int columns:{[any]}" },
    { "EpochMetrics", "epoch:int complete:bool loss:num? accuracy:num? "
      "nonfinite_steps:int validation:Validation? images_per_second:num? "
      "recording_share:num? duration_seconds:num? time:time?" },
    { "Validation", "loss:num? accuracy:num?" },
    { "StepLoss", "epoch:int step:int loss:num?" },
    { "Comparison", "jobs:[int] against:[int]? quantity:str epochs:[int] "
      "unit:step|run layers:{LayerComparison} summary:str" },
    { "Probes", "job:int probes:[Probe]" },
    { "Probe", "epoch:int step:int images:int loss:num? seconds:num? "
      "layers:{ProbeLayer}" },
    { "ProbeLayer", "cosine:num? confusion:num? snr:num?" },
    { "SweepSpec", "spec:JobSpec sweep:{[any]}" },
    { "Sweep", "group:str jobs:[Job]" },
    { "SweepPlan", "group:str specs:[StoredSpec]" },
    { "Group", "group:str states:{int} sets:[JobSet]" },
    { "JobSet", "label:str jobs:[int] seeds:[int]" },
    { "GroupCancelled", "group:str cancelled:[int]" },
    { "GroupComparison", "group:str base:str comparisons:[SetComparison] "
      "left_out:[int]" },
    { "SetComparison", "label:str comparison:Comparison" },
    { "LayerComparison", "log10_ratio:num? interval:[num?]? factor:num? p:num? "
      "q:num? units:int differs:bool words:str" },
    { 0 },
};
