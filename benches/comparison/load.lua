-- The script of wrk: sends the prepared requests in turn and compares every answer.
--
-- Arguments: the file of the requests, the file of the expected body, the expected status, and the number of answers
-- to stop after (0: run until the time is over). Prints one line of JSON.

local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int pid, int signal);")

-- State of the single thread that sends.
local requests = {}
local status, body, last
local sent = 0
-- These are global, because `done` runs in another Lua state and reads them from the thread.
answered, wrong = 0, 0

-- State of `setup` and `done`.
local thread

function setup(created)
    thread = created
end

function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    local length = file:read("*n", "*l")
    while length do
        requests[#requests + 1] = file:read(length)
        length = file:read("*n", "*l")
    end
    file:close()
    file = assert(io.open(arguments[2], "rb"))
    body = file:read("*a")
    file:close()
    status = tonumber(arguments[3])
    last = tonumber(arguments[4])
end

function request()
    sent = sent + 1
    return requests[(sent - 1) % #requests + 1]
end

function response(actual, _, text)
    answered = answered + 1
    if actual ~= status or text ~= body then
        wrong = wrong + 1
        if wrong == 1 then
            io.stderr:write("expected ", status, " ", body, "\nanswered ", actual, " ", text, "\n")
        end
    end
    if answered == last then
        wrk.thread:stop()
        -- SIGINT wakes the thread that waits for the end of the time.
        ffi.C.kill(ffi.C.getpid(), 2)
    end
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format(
        '{"answered": %d, "wrong": %d, "broken": %d, "micros": %d, "p50": %d, "p99": %d}',
        thread:get("answered"),
        thread:get("wrong"),
        errors.connect + errors.read + errors.write + errors.timeout,
        summary.duration,
        latency:percentile(50),
        latency:percentile(99)
    ))
end
