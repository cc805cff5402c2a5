// Stages, who adds to a gradient, life spans, and their packing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/rng.h"
#include "model/arena.h"
#include "model/nets.h"
#include "model/schedule.h"
#include <cmocka.h>     // last: its macro fail() would hide the project's

// input -> a -> b -> r -> sum -> avgpool -> fc -> loss, with r = relu(b) and
// sum = r + a: a has two consumers. Nodes are numbered in that order.
enum { INPUT, A, B, R, SUM, POOL, FC, LOSS, NODES };

static struct graph *diamond(void)
{
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ 2, 3, 8, 8 },
                        (struct input){ { 0 }, { 1, 1, 1 } });
    val a = graph_conv(g, x, "a", (struct conv){ .out = 4, .k = 1 });
    val b = graph_norm(g, a, "b", (struct norm){ 0 });
    val r = graph_relu(g, b, "r");
    val s = graph_add(g, r, a, "sum");
    val p = graph_avgpool(g, s, "pool");

    graph_xent(g, graph_linear(g, p, "fc", (struct linear){ 5 }));
    assert_int_equal(graph_seal(g, NULL), 0);
    assert_int_equal(g->n_nodes, NODES);
    return g;
}

static struct span value_of(const struct graph *g, const struct schedule *s,
                            int node)
{
    return s->value[g->nodes[node].out];
}

static struct span grad_of(const struct graph *g, const struct schedule *s,
                           int node)
{
    return s->grad[g->nodes[node].out];
}

static void is(struct span s, int first, int last)
{
    if (s.first != first || s.last != last)
        fail_msg("span %d..%d, not %d..%d", s.first, s.last, first, last);
}

// Forward stages are 0..7 by node; backward ones 8..14 from the loss to a; the
// input has none.
static void test_plain(void **state)
{
    (void)state;
    struct graph *g = diamond();
    struct lowering *lo = schedule_plain(g);
    struct schedule s;

    schedule_build(g, lo, false, &s);
    assert_int_equal(s.n_stages, 2 * NODES - 1);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(s.stages[i].node, i);
        assert_int_equal(s.stages[i].phase, PHASE_FORWARD);
    }
    for (int i = NODES; i < s.n_stages; i++) {
        assert_int_equal(s.stages[i].node, 2 * NODES - 1 - i);
        assert_int_equal(s.stages[i].phase, PHASE_BACKWARD);
    }
    is(value_of(g, &s, INPUT), 0, 14);  // for the weights of a, at the end
    is(value_of(g, &s, A), 1, 13);      // for the backward of b
    is(value_of(g, &s, B), 2, 3);       // relu reads its output again
    is(value_of(g, &s, R), 3, 12);
    is(value_of(g, &s, SUM), 4, 5);
    is(value_of(g, &s, POOL), 5, 9);
    is(value_of(g, &s, FC), 6, 14);     // logits and loss live to the end
    is(value_of(g, &s, LOSS), 7, 14);
    is(grad_of(g, &s, INPUT), -1, -1);
    is(grad_of(g, &s, A), 11, 14);      // from the add's backward
    is(grad_of(g, &s, B), 12, 13);
    is(grad_of(g, &s, R), 11, 12);
    is(grad_of(g, &s, FC), 8, 9);
    is(grad_of(g, &s, LOSS), -1, -1);
    schedule_clear(&s);
    free(lo);
    graph_free(g);
}

// a's gradient is first written by the add, then b adds to it.
static void test_adds(void **state)
{
    (void)state;
    struct graph *g = diamond();
    struct lowering *lo = schedule_plain(g);
    struct schedule s;

    schedule_build(g, lo, false, &s);
    for (int i = 0; i < NODES * MAX_IN; i++)
        assert_int_equal(s.adds[i], i == B * MAX_IN);
    schedule_clear(&s);
    free(lo);
    graph_free(g);
}

// x + x: the first input writes, the second adds.
static void test_adds_twice_the_same(void **state)
{
    (void)state;
    struct graph *g = graph_new(START_PYTORCH);
    val x = graph_input(g, (struct shape){ 2, 3, 1, 1 },
                        (struct input){ { 0 }, { 1, 1, 1 } });
    struct schedule s;

    x = graph_linear(g, x, "fc", (struct linear){ 4 });
    graph_xent(g, graph_add(g, x, x, "sum"));
    assert_int_equal(graph_seal(g, NULL), 0);
    struct lowering *lo = schedule_plain(g);
    schedule_build(g, lo, false, &s);
    assert_false(s.adds[2 * MAX_IN]);
    assert_true(s.adds[2 * MAX_IN + 1]);
    schedule_clear(&s);
    free(lo);
    graph_free(g);
}

// b, r and sum become one: it runs where sum stands, and b and r are nowhere.
static void test_fused(void **state)
{
    (void)state;
    struct graph *g = diamond();
    struct lowering *lo = schedule_plain(g);
    struct schedule s;

    lo[B].leader = lo[R].leader = SUM;
    lo[R].out = false;
    schedule_build(g, lo, false, &s);
    // input a sum pool fc loss, and back without the input
    assert_int_equal(s.n_stages, 11);
    assert_int_equal(s.stages[2].node, SUM);
    assert_int_equal(s.stages[9].node, SUM);
    is(value_of(g, &s, B), -1, -1);
    is(value_of(g, &s, R), -1, -1);
    is(grad_of(g, &s, B), -1, -1);
    is(grad_of(g, &s, R), -1, -1);
    is(value_of(g, &s, A), 1, 9);       // both its readers are in the group
    is(value_of(g, &s, SUM), 2, 3);
    is(grad_of(g, &s, SUM), 8, 9);
    is(grad_of(g, &s, A), 9, 10);
    // Inside the group, backwards: sum writes a's gradient, b adds to it.
    assert_false(s.adds[SUM * MAX_IN + 1]);
    assert_true(s.adds[B * MAX_IN]);
    schedule_clear(&s);
    free(lo);
    graph_free(g);
}

static void test_keep_all(void **state)
{
    (void)state;
    struct graph *g = diamond();
    struct lowering *lo = schedule_plain(g);
    struct schedule s;

    schedule_build(g, lo, true, &s);
    for (int i = 0; i < NODES; i++) {
        is(value_of(g, &s, i), 0, s.n_stages - 1);
        if (i != INPUT && i != LOSS)
            is(grad_of(g, &s, i), 0, s.n_stages - 1);
    }
    is(grad_of(g, &s, INPUT), -1, -1);
    is(grad_of(g, &s, LOSS), -1, -1);
    is(s.value[graph_find(g, "a.weight")], -1, -1);
    is(s.grad[graph_find(g, "a.weight")], -1, -1);
    schedule_clear(&s);
    free(lo);
    graph_free(g);
}

// ---- whole networks ------------------------------------------------------

struct checker {            // stages by node, worked out anew
    const struct graph    *g;
    const struct schedule *s;
    int                    forward[1024], backward[1024];
};

static void holds(struct span s, int stage)
{
    assert_true(s.first >= 0 && s.first <= stage && stage <= s.last);
}

// Everything a stage touches is alive at it, and the first one to write a
// gradient is the only one that does not add.
static void check_alive(struct checker *c, const struct lowering *lo)
{
    int *writers = xcalloc((size_t)c->g->n_values, sizeof *writers);

    for (int i = 0; i < c->s->n_stages; i++)
        (c->s->stages[i].phase == PHASE_FORWARD
             ? c->forward : c->backward)[c->s->stages[i].node] = i;
    for (int i = c->g->n_nodes - 1; i >= 0; i--) {
        const struct node *n = &c->g->nodes[i];
        holds(c->s->value[n->out], c->forward[i]);
        if (lo[i].out)
            holds(c->s->value[n->out], c->backward[i]);
        for (int k = 0; k < MAX_IN && n->in[k] != BAD_VAL; k++) {
            holds(c->s->value[n->in[k]], c->forward[i]);
            if (lo[i].in[k])
                holds(c->s->value[n->in[k]], c->backward[i]);
            if (!c->g->values[n->in[k]].needs_grad)
                continue;
            holds(c->s->grad[n->in[k]], c->backward[i]);
            assert_int_equal(c->s->adds[i * MAX_IN + k],
                             writers[n->in[k]]++ > 0);
        }
        if (i > 0 && n->out != c->g->loss)
            holds(c->s->grad[n->out], c->backward[i]);
    }
    free(writers);
}

static void check_apart(const struct span *span, const size_t *bytes,
                        const size_t *at, int n, size_t align, size_t total)
{
    for (int i = 0; i < n; i++) {
        if (span[i].first < 0 || bytes[i] == 0)
            continue;
        assert_int_equal(at[i] % align, 0);
        assert_true(at[i] + bytes[i] <= total);
        for (int k = 0; k < i; k++) {
            if (span[k].first < 0 || bytes[k] == 0)
                continue;
            bool meet = span[i].first <= span[k].last &&
                        span[k].first <= span[i].last;
            bool overlap = at[i] < at[k] + bytes[k] &&
                           at[k] < at[i] + bytes[i];
            assert_false(meet && overlap);
        }
    }
}

// The most bytes alive at one stage: no plan can need less.
static size_t lower_bound(const struct span *span, const size_t *bytes, int n,
                          int stages)
{
    size_t most = 0;

    for (int t = 0; t < stages; t++) {
        size_t now = 0;
        for (int i = 0; i < n; i++)
            if (span[i].first >= 0 && span[i].first <= t && t <= span[i].last)
                now += bytes[i];
        most = now > most ? now : most;
    }
    return most;
}

static void check_net(const char *arch, bool skip)
{
    struct error err = { 0 };
    struct graph *g = net_build(&(struct net_opts){
        .arch = arch, .skip = { skip, skip, skip, skip }, .width = 0.5,
        .classes = 10, .batch = 3, .image_size = 48 }, &err);
    assert_non_null(g);
    struct lowering *lo = schedule_plain(g);
    struct schedule s;
    int n = g->n_values;
    struct span *span = xcalloc(2 * (size_t)n, sizeof *span);
    size_t *bytes = xcalloc(2 * (size_t)n, sizeof *bytes);
    size_t *at = xcalloc(2 * (size_t)n, sizeof *at);

    schedule_build(g, lo, false, &s);
    check_alive(&(struct checker){ .g = g, .s = &s }, lo);
    for (val v = 0; v < n; v++) {
        span[v] = s.value[v];
        span[n + v] = s.grad[v];
        bytes[v] = bytes[n + v] = 4 * (size_t)graph_elements(g, v);
    }
    size_t total = arena_plan(span, bytes, 2 * n, 64, at);
    check_apart(span, bytes, at, 2 * n, 64, total);
    // Greedy packing is within a tenth of what it must hold at once.
    size_t least = lower_bound(span, bytes, 2 * n, s.n_stages);
    assert_true(total >= least && total < least + least / 10 + 4096);
    free(at);
    free(bytes);
    free(span);
    schedule_clear(&s);
    free(lo);
    graph_free(g);
}

static void test_networks(void **state)
{
    (void)state;
    check_net("resnet18", true);
    check_net("resnet50", true);
    check_net("resnet50", false);
}

// ---- the arena -----------------------------------------------------------

static void test_arena_reuses(void **state)
{
    (void)state;
    const struct span span[] = { { 0, 1 }, { 2, 3 }, { 1, 2 }, { -1, -1 },
                                 { 0, 3 } };
    const size_t bytes[] = { 100, 90, 30, 1000, 0 };
    size_t at[5];
    size_t total = arena_plan(span, bytes, 5, 16, at);

    assert_int_equal(total, 112 + 32);  // the first two share their room
    assert_int_equal(at[0], 0);
    assert_int_equal(at[1], 0);
    assert_int_equal(at[2], 112);
    assert_int_equal(arena_plan(span, bytes, 0, 16, at), 0);
}

// Random spans and sizes, checked pairwise.
static void test_arena_random(void **state)
{
    (void)state;
    enum { N = 120, ROUNDS = 60 };
    struct span span[N];
    size_t bytes[N], at[N];

    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < N; i++) {
            int first = (int)(rng_bits(1, round, 3 * i) % 50);
            int life = (int)(rng_bits(1, round, 3 * i + 1) % 12);
            span[i] = (struct span){ first, first + life };
            bytes[i] = rng_bits(1, round, 3 * i + 2) % 5000;
            if (bytes[i] % 7 == 0)
                span[i].first = span[i].last = -1;
        }
        size_t total = arena_plan(span, bytes, N, 64, at);
        check_apart(span, bytes, at, N, 64, total);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_adds),
        cmocka_unit_test(test_adds_twice_the_same),
        cmocka_unit_test(test_fused),
        cmocka_unit_test(test_keep_all),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_arena_reuses),
        cmocka_unit_test(test_arena_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
