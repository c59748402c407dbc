-- wrk: DEPTH requests in each write
local depth = tonumber(os.getenv("DEPTH"))
init = function(args)
  local one = wrk.format("GET")
  wrk.batch = string.rep(one, depth)
end
request = function()
  return wrk.batch
end
