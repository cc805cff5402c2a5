#include "manual/mdoc.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 78 };

// When the text of the manual was last changed; mdoc wants to know.
static const char date[] = "November 23, 2026";

// One word at column `at`; returns where it ends. A dot or quote at the head of
// a line would be a request, a backslash an escape.
static int put_word(FILE *out, const char *word, int len, int at)
{
    if (at && at + 1 + len > COLUMNS) {
        fputc('\n', out);
        at = 0;
    } else if (at) {
        at += fprintf(out, " ");
    }
    if (!at && (*word == '.' || *word == '\''))
        fputs("\\&", out);
    for (int i = 0; i < len; i++)
        if (word[i] == '\\')
            fputs("\\e", out);
        else if (word[i] == '|' && i < len - 1)
            fputs("|\\:", out);          // a line may end here
        else
            fputc(word[i], out);
    return at + len;
}

// Words with line breaks between them, also after each sentence.
static void put_words(FILE *out, const char *text, size_t len)
{
    const char *end = text + len;
    int at = 0;

    while (text < end) {
        const char *word = text;
        while (text < end && *text != ' ' && *text != '\n')
            text++;
        if (text > word)
            at = put_word(out, word, (int)(text - word), at);
        if (text > word && text[-1] == '.' && text < end) {
            fputc('\n', out);
            at = 0;
        }
        text += text < end;
    }
    if (at)
        fputc('\n', out);
}

// The arguments of a macro: whatever could be one is kept from being that.
static void put_argument(FILE *out, const char *text)
{
    fputs(" \"\\&", out);
    for (; *text; text++)
        if (*text == '"')
            fputs("\"\"", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else
            fputc(*text, out);
    fputc('"', out);
}

void mdoc_begin(FILE *out, const char *name, const char *section,
                const char *summary)
{
    char title[64];
    size_t i = 0;

    for (; name[i] && i < sizeof title - 1; i++)
        title[i] = (char)toupper((unsigned char)name[i]);
    title[i] = '\0';
    fprintf(out, ".\\\" Made from the tables of the program: a change here is "
            "lost.\n.Dd %s\n.Dt %s %s\n.Os gradwatch\n.Sh NAME\n.Nm %s\n"
            ".Nd %s\n", date, title, section, name, summary);
}

void mdoc_section(FILE *out, const char *title)
{
    fprintf(out, ".Sh %s\n", title);
}

void mdoc_subsection(FILE *out, const char *title)
{
    fprintf(out, ".Ss %s\\&\n", title);   // dots at its end are no full stop
}

void mdoc_list(FILE *out)
{
    fputs(".Bl -tag -width Ds\n", out);
}

void mdoc_list_end(FILE *out)
{
    fputs(".El\n", out);
}

void mdoc_item(FILE *out, const char *term)
{
    fputs(".It Sy", out);
    put_argument(out, term);
    fputc('\n', out);
}

void mdoc_option(FILE *out, const struct opt *o)
{
    fputs(".It", out);
    if (o->letter)
        fprintf(out, " Fl %c ,", o->letter);
    fprintf(out, " Fl -%s", o->name);
    if (o->negatable)
        fprintf(out, " , Fl -no-%s", o->name);
    if (o->value || o->maybe) {
        fputs(o->maybe ? " Ns Oo = Ns Ar" : " Ar", out);
        put_argument(out, o->value ? o->value : o->maybe);
        fputs(o->maybe ? " Oc" : "", out);
    }
    fputc('\n', out);
}

void mdoc_options(FILE *out, const struct opt *opts, int n)
{
    if (!n)
        return;
    mdoc_list(out);
    for (int i = 0; i < n; i++) {
        mdoc_option(out, &opts[i]);
        put_words(out, opts[i].help, strlen(opts[i].help));
    }
    mdoc_list_end(out);
}

// What a line is; a paragraph is lines of one kind.
enum kind { WORDS, ENTRY, EXAMPLE, EMPTY };

static enum kind kind_of(const char *line, size_t len)
{
    if (!len)
        return EMPTY;
    if (len > 4 && !strncmp(line, "    ", 4))
        return EXAMPLE;
    return memchr(line, '\t', len) ? ENTRY : WORDS;
}

static void put_entry(FILE *out, const char *line, size_t len)
{
    size_t term = (size_t)((const char *)memchr(line, '\t', len) - line);
    char *text = strndup(line, term);

    mdoc_item(out, text);
    free(text);
    put_words(out, line + term + 1, len - term - 1);
}

static void change(FILE *out, enum kind from, enum kind to, bool first)
{
    static const char *const ends[] = {
        [ENTRY] = ".El\n", [EXAMPLE] = ".Ed\n", [WORDS] = "", [EMPTY] = "" };
    static const char *const begins[] = {
        [ENTRY] = ".Bl -tag -width Ds\n", [WORDS] = ".Pp\n", [EMPTY] = "",
        [EXAMPLE] = ".Bd -literal -offset indent\n" };

    fputs(ends[from], out);
    if (to != WORDS || !first)
        fputs(begins[to], out);
}

void mdoc_text(FILE *out, const char *text)
{
    enum kind now = EMPTY;
    bool first = true;

    while (*text) {
        size_t len = strcspn(text, "\n");
        enum kind kind = kind_of(text, len);
        if (kind != now) {
            change(out, now, kind, first);
            first = first && kind == EMPTY;
        }
        if (kind == EXAMPLE)
            fprintf(out, "%.*s\n", (int)len - 4, text + 4);
        else if (kind == ENTRY)
            put_entry(out, text, len);
        else
            put_words(out, text, len);
        now = kind;
        text += len + (text[len] == '\n');
    }
    change(out, now, EMPTY, first);
}

void mdoc_see_also(FILE *out, const char *pages)
{
    mdoc_section(out, "SEE ALSO");
    while (*pages) {
        size_t len = strcspn(pages, ",");
        fprintf(out, ".Xr %.*s%s\n", (int)len, pages, pages[len] ? " ," : "");
        pages += len + (pages[len] == ',');
        pages += *pages == ' ';
    }
}
