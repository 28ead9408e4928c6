"""A C project of some hundred files, the same each time: what is built where building software is the test."""
import io
import random
import tarfile

OPERATIONS = ["+", "-", "*", "^", "|", "&"]


def _function(number, index, random_):
    """One function: a table, a loop over it, branches, a string and floating point."""
    name = f"unit{number}_f{index}"
    table = ", ".join(str(random_.randrange(1, 1 << 16)) for _ in range(24))
    steps = "\n".join(f"        case {case}: value {random_.choice(OPERATIONS)}= (table[i] + {random_.randrange(1 << 12)}u) << {random_.randrange(5)}; break;"
                      for case in range(8))
    return f"""
uint32_t {name}(struct record *record, uint32_t seed) {{
    static const uint32_t table[] = {{{table}}};
    uint32_t value = seed;
    double mean = {random_.randrange(100)}.25;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {{
        switch ((value ^ table[i]) % 9) {{
{steps}
        default: value = (value >> 3) | (value << 29); break;
        }}
        mean = mean * 0.5 + sqrt((double)(value % 1000));
        record->history[i % HISTORY] = value;
    }}
    snprintf(record->name, sizeof record->name, "{name}-%u-%.3f", (unsigned)(value % 1000), mean);
    record->count += (int)strlen(record->name);
    if (record->count > {random_.randrange(20, 60)} && record->next != NULL)
        qsort(record->history, HISTORY, sizeof *record->history, compare_words);
    return value + (uint32_t)mean;
}}
"""


def _unit(number, functions, random_):
    declarations = "".join(f"uint32_t unit{number}_f{index}(struct record *record, uint32_t seed);\n" for index in range(functions))
    header = f'#ifndef UNIT{number}_H\n#define UNIT{number}_H\n#include "common.h"\n{declarations}uint32_t unit{number}(struct record *record, uint32_t seed);\n#endif\n'
    calls = "".join(f"    seed = unit{number}_f{index}(record, seed);\n" for index in range(functions))
    source = f'#include "unit{number}.h"\n' + "".join(_function(number, index, random_) for index in range(functions))
    return header, source + f"\nuint32_t unit{number}(struct record *record, uint32_t seed) {{\n{calls}    return seed;\n}}\n"


def files(units=300, functions=2):
    """{name: text}; `make` builds the program `project`, which prints one line."""
    random_ = random.Random(20230610)
    made = {
        "common.h": "#ifndef COMMON_H\n#define COMMON_H\n" + "".join(f"#include <{name}.h>\n" for name in (
            "ctype", "errno", "inttypes", "math", "pthread", "signal", "stddef", "stdint", "stdio", "stdlib", "string", "time", "unistd", "sys/stat", "sys/socket")) +
        "#define HISTORY 16\nstruct record { char name[64]; int count; uint32_t history[HISTORY]; struct record *next; };\n"
        "int compare_words(const void *a, const void *b);\n#endif\n",
        "common.c": '#include "common.h"\nint compare_words(const void *a, const void *b) {\n    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;\n'
                    "    return (x > y) - (x < y);\n}\n",
        "Makefile": "CFLAGS = -O2 -Wall\nSOURCES := $(wildcard *.c)\nproject: $(SOURCES:.c=.o)\n\t$(CC) -o $@ $^ -lm\n%.o: %.c\n\t$(CC) $(CFLAGS) -c -o $@ $<\n",
    }
    for number in range(units):
        made[f"unit{number}.h"], made[f"unit{number}.c"] = _unit(number, functions, random_)
    includes = "".join(f'#include "unit{number}.h"\n' for number in range(units))
    calls = "".join(f"    seed = unit{number}(&record, seed);\n" for number in range(units))
    made["main.c"] = (f"{includes}int main(void) {{\n    struct record last = {{0}}, record = {{.next = &last}};\n    uint32_t seed = 1;\n{calls}"
                      '    printf("%u %d %s\\n", (unsigned)seed, record.count, record.name);\n    return 0;\n}\n')
    return made


def archive(made):
    """The project as an uncompressed tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in sorted(made.items()):
            entry = tarfile.TarInfo("project/" + name)
            entry.size = len(text.encode())
            entry.mtime = 1700000000
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()
