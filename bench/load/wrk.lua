-- For wrk: the requests of a file as bench-load reads it (a line with a length, then so many bytes), in their order, again
-- from the start after the last.  wrk ... -s wrk.lua URL -- FILE

local requests, at = {}, 0

function init(args)
	local file = assert(io.open(args[1], "rb"))
	for line in file:lines() do
		requests[#requests + 1] = assert(file:read(tonumber(line)), "cut short")
	end
	file:close()
end

function request()
	at = at % #requests + 1
	return requests[at]
end
