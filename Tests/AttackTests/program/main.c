/// Tries, as root inside a task, to reach what isn't the task's. Prints one line for each attack: its name, `refused`, `contained`,
/// `succeeded`, `skipped` or `broken`, and why. Nothing it does harms a host on which an attack succeeds: it opens, looks, writes back what is there,
/// sends signal 0.
///
///   attack [skip=NAME,…] [only=NAME,…] [show=VERDICT,…] [FACT=VALUE…]
///                                                      all attacks; the exit code is 1 when one succeeded or is broken
///   attack quota [MEGABYTES]                           writes so much by every way there is
///   attack leave                                       leaves behind what breaks the host's tools
#include "attack.h"

enum verdict { NONE, REFUSED, CONTAINED, SUCCEEDED, SKIPPED, BROKEN, VERDICTS };
static const char *const words[VERDICTS] = {"none", "refused", "contained", "succeeded", "skipped", "broken"};

struct attack {
    const char *kind, *name;
    void (*run)(void);
};
static struct attack attacks[400];
static int count;
static char **facts;
static pid_t starter;

/// Shared with the attack's process.
static struct result {
    enum verdict verdict;
    char reason[300];
} *result;

int quota_main(int megabytes);
int leave_main(void);

void attack_add(const char *kind, const char *name, void (*run)(void)) {
    attacks[count++] = (struct attack){kind, name, run};
}

static _Noreturn void end(enum verdict verdict, const char *format, va_list list) {
    vsnprintf(result->reason, sizeof result->reason, format, list);
    result->verdict = verdict;
    _exit(0);
}

#define VERDICT(name, verdict)             \
    void name(const char *format, ...) {   \
        va_list list;                      \
        va_start(list, format);            \
        end(verdict, format, list);        \
    }
VERDICT(refused, REFUSED)
VERDICT(contained, CONTAINED)
VERDICT(succeeded, SUCCEEDED)
VERDICT(skipped, SKIPPED)
VERDICT(broken, BROKEN)

pid_t parent_of_the_program(void) { return starter; }

const char *fact(const char *key) {
    size_t length = strlen(key);
    for (char **given = facts; *given; given++)
        if (!strncmp(*given, key, length) && (*given)[length] == '=') return *given + length + 1;
    return NULL;
}

const char *need(const char *key) {
    const char *value = fact(key);
    if (!value) skipped("the test gave no %s", key);
    return value;
}

unsigned long long number(const char *key) { return strtoull(need(key), NULL, 0); }

/// Whether a list with commas has a name.
static bool lists(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *found = list; found && (found = strstr(found, name)); found++)
        if ((found == list || found[-1] == ',') && (!found[length] || found[length] == ',')) return true;
    return false;
}

static void run(const struct attack *attack) {
    memset(result, 0, sizeof *result);
    pid_t child = fork();
    if (child < 0) {
        result->verdict = BROKEN;
        snprintf(result->reason, sizeof result->reason, "fork: %s", strerror(errno));
        return;
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        attack->run();
        broken("it gave no verdict");
    }
    int status = 0;
    bool ended = true;
    for (int waited = 0; waitpid(child, &status, WNOHANG) == 0; waited++) {
        if (waited > 5000) {
            ended = false;
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            break;
        }
        usleep(1000);
    }
    if (result->verdict != NONE) return;
    // A filter may kill instead of refusing.
    result->verdict = ended && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? REFUSED : BROKEN;
    if (!ended) snprintf(result->reason, sizeof result->reason, "it didn't end within 5 s");
    else if (WIFSIGNALED(status)) snprintf(result->reason, sizeof result->reason, "ended by signal %d", WTERMSIG(status));
    else snprintf(result->reason, sizeof result->reason, "ended without a verdict");
}

int main(int argc, char **argv) {
    facts = argv + 1;
    starter = getppid();
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && !strcmp(argv[1], "quota")) return quota_main(argc > 2 ? atoi(argv[2]) : 2048);
    if (argc > 1 && !strcmp(argv[1], "leave")) return leave_main();
    result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (result == MAP_FAILED) return 2;
    int totals[VERDICTS] = {0};
    for (int index = 0; index < count; index++) {
        const struct attack *attack = &attacks[index];
        if (fact("only") && !lists(fact("only"), attack->name)) continue;
        if (lists(fact("skip"), attack->name)) {
            result->verdict = SKIPPED;
            strcpy(result->reason, "by design: not tried against this host");
        } else {
            run(attack);
        }
        for (char *byte = result->reason; *byte; byte++)
            if (*byte < ' ' || *byte > '~') *byte = '?';
        totals[result->verdict]++;
        if (fact("show") && !lists(fact("show"), words[result->verdict])) continue;
        printf("%s/%s %s %s\n", attack->kind, attack->name, words[result->verdict], result->reason);
        fflush(stdout);
    }
    printf("total refused=%d contained=%d succeeded=%d skipped=%d broken=%d\n", totals[REFUSED], totals[CONTAINED], totals[SUCCEEDED],
           totals[SKIPPED], totals[BROKEN]);
    return totals[SUCCEEDED] + totals[BROKEN] > 0;
}
