#include "CWebPage.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

#define SCRIPT "text/javascript; charset=utf-8"

static const unsigned char index_html[] = {
#embed "page/index.html"
};
static const unsigned char page_css[] = {
#embed "page/page.css"
};
static const unsigned char icon_svg[] = {
#embed "page/icon.svg"
};
static const unsigned char main_js[] = {
#embed "page/main.js"
};
static const unsigned char api_js[] = {
#embed "page/api.js"
};
static const unsigned char elements_js[] = {
#embed "page/elements.js"
};
static const unsigned char format_js[] = {
#embed "page/format.js"
};
static const unsigned char history_js[] = {
#embed "page/history.js"
};
static const unsigned char chart_js[] = {
#embed "page/chart.js"
};
static const unsigned char host_js[] = {
#embed "page/host.js"
};
static const unsigned char tasks_js[] = {
#embed "page/tasks.js"
};
static const unsigned char task_js[] = {
#embed "page/task.js"
};
static const unsigned char timeline_js[] = {
#embed "page/timeline.js"
};
static const unsigned char console_js[] = {
#embed "page/console.js"
};
static const unsigned char moments_js[] = {
#embed "page/moments.js"
};
static const unsigned char table_js[] = {
#embed "page/table.js"
};
static const unsigned char devices_js[] = {
#embed "page/devices.js"
};
static const unsigned char pool_js[] = {
#embed "page/pool.js"
};
static const unsigned char treemap_js[] = {
#embed "page/treemap.js"
};
static const unsigned char events_js[] = {
#embed "page/events.js"
};

#define ASSET(name, type, bytes) {name, type, bytes, sizeof bytes}

static const struct dish_web_asset assets[] = {
    ASSET("", "text/html; charset=utf-8", index_html),
    ASSET("page.css", "text/css; charset=utf-8", page_css),
    ASSET("icon.svg", "image/svg+xml", icon_svg),
    ASSET("main.js", SCRIPT, main_js),
    ASSET("api.js", SCRIPT, api_js),
    ASSET("elements.js", SCRIPT, elements_js),
    ASSET("format.js", SCRIPT, format_js),
    ASSET("history.js", SCRIPT, history_js),
    ASSET("chart.js", SCRIPT, chart_js),
    ASSET("host.js", SCRIPT, host_js),
    ASSET("tasks.js", SCRIPT, tasks_js),
    ASSET("task.js", SCRIPT, task_js),
    ASSET("timeline.js", SCRIPT, timeline_js),
    ASSET("console.js", SCRIPT, console_js),
    ASSET("moments.js", SCRIPT, moments_js),
    ASSET("table.js", SCRIPT, table_js),
    ASSET("devices.js", SCRIPT, devices_js),
    ASSET("pool.js", SCRIPT, pool_js),
    ASSET("treemap.js", SCRIPT, treemap_js),
    ASSET("events.js", SCRIPT, events_js),
};

const struct dish_web_asset *dish_web_asset_at(size_t index) {
    return index < sizeof assets / sizeof assets[0] ? &assets[index] : NULL;
}
