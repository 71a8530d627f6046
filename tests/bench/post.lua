-- Posts the file of BENCH_BODY; with BENCH_TOKENS, a line of it as the bearer token of each request.
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

local tokens, turn = {}, 0
if os.getenv("BENCH_TOKENS") then
  for line in io.lines(os.getenv("BENCH_TOKENS")) do tokens[#tokens + 1] = line end
  request = function()
    turn = turn % #tokens + 1
    wrk.headers["Authorization"] = "Bearer " .. tokens[turn]
    return wrk.format()
  end
end

done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %f %f\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
