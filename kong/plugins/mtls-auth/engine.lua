-- Asks the engine: the program that Kong runs as plugin server. A frame on its
-- socket is a 32-bit little-endian length and one JSON object. What is not as the
-- protocol says is an error and ends the connection: never a pass.
local base, plugin = (...):match("^(.-([^.]+)%.)engine$")
local log, verdict = require(base .. "log"), require(base .. "verdict")
local cjson = require("cjson.safe").new()
cjson.decode_array_with_array_mt(true) -- tells [] from {}

local kong, ngx = kong, ngx

-- The epoch is that in which decisions may be kept, nil as long as the engine was
-- not heard of; lost is since when it is not any more, by ngx.now.
local _M = { VERSION = "0.1.0", epoch = nil, lost = nil }

local PROTOCOL = 1
local MAX_FRAME = 1048576 -- bytes
local MAX_FRAMES = 40 -- about one request: every 2 s the engine says that it still decides
local MAX_WAIT = 60 -- s, for a decision
local ALONE = 5 -- s, that decisions outlive the engine
local SILENCE = 30 -- s, after which a watch is broken: it is answered within 25

local function address()
  for _, server in ipairs(kong.configuration.pluginservers or {}) do
    if server.name == plugin then return "unix:" .. server.socket end
  end
  return "unix:" .. kong.configuration.prefix .. "/" .. plugin .. ".socket"
end

local pool = 1 -- counts pools of connections: one in which one has died is left to itself

local function connect(read_timeout)
  local sock = ngx.socket.tcp()
  sock:settimeouts(200, 5000, read_timeout)
  local ok, err = sock:connect(address(), { pool = plugin .. "#" .. pool })
  if not ok then error("connecting to the engine: " .. err, 0) end
  return sock
end

local function send(sock, object)
  local text = assert(cjson.encode(object))
  local n = #text
  if n > MAX_FRAME then error("a frame of " .. n .. " bytes for the engine, at most 1 MiB is allowed", 0) end
  return sock:send({ string.char(n % 256, math.floor(n / 256) % 256, math.floor(n / 65536), 0), text })
end

-- Returns an object; or nil, why, and whether nothing of it had come.
local function receive(sock)
  local head, err, partial = sock:receive(4)
  if not head then return nil, err, partial == "" end
  local a, b, c, d = head:byte(1, 4)
  local n = a + b * 256 + c * 65536 + d * 16777216
  if n == 0 or n > MAX_FRAME then return nil, "a frame of " .. n .. " bytes" end
  local text, object
  text, err = sock:receive(n)
  if not text then return nil, "half a frame: " .. err end
  object, err = cjson.decode(text)
  if type(object) == "table" and getmetatable(object) ~= cjson.array_mt then return object end
  return nil, "no JSON object: " .. (err or type(object))
end

-- Goes on from the first answer to a question until there is a verdict.
local function converse(sock, answer, question, definition, find, flight)
  local deadline, consumers = ngx.now() + MAX_WAIT, nil
  for _ = 1, MAX_FRAMES do
    flight.alive = ngx.now()
    local reply, err
    if answer.verdict ~= nil then
      return verdict.check(answer, consumers or {})
    elseif answer.need == "definition" and not question.definition then
      question.definition, reply = definition, question
    elseif answer.lookup ~= nil and not consumers then
      reply, consumers = find(answer.lookup)
    elseif answer.error ~= nil then
      error("the engine refused the question: " .. tostring(answer.error), 0)
    elseif answer.wait ~= true then
      error("the engine gave an answer that there is not", 0)
    end
    if reply then assert(send(sock, reply)) end
    if ngx.now() > deadline then break end
    answer, err = receive(sock)
    if not answer then error("the engine's answer: " .. err, 0) end
  end
  error("the engine gave no verdict in " .. MAX_WAIT .. " s or " .. MAX_FRAMES .. " frames", 0)
end

-- Asks for a decision; raises an error when there is none. find looks up consumers,
-- flight.alive is kept at the last sign of life. A connection that ends before there
-- was an answer is replaced once: kept ones end with the engine that they led to.
function _M.decide(question, definition, find, flight)
  question.op, question.protocol, question.version = "decide", PROTOCOL, _M.VERSION
  local sock, answer
  for attempt = 1, 2 do
    local from = pool
    sock = connect(5000)
    local ok, err = send(sock, question)
    local nothing = not ok
    if ok then answer, err, nothing = receive(sock) end
    if answer then break end
    sock:close()
    if attempt == 2 or not nothing or err == "timeout" then error("the engine's answer: " .. err, 0) end
    if pool == from then pool = pool + 1 end
  end
  local ok, result = pcall(converse, sock, answer, question, definition, find, flight)
  if not ok then
    sock:close()
    error(result, 0)
  end
  sock:setkeepalive(30000, 64)
  return result
end

-- Whether decisions that were kept may still be used.
function _M.near(now)
  local lost = _M.lost
  return not lost or now >= lost and now < lost + ALONE
end

local delay = 1 -- s: at first the engine starts together with the worker

-- Waits for other epochs until the connection breaks.
local function follow(drop)
  local sock = connect(1000)
  while true do
    assert(send(sock, { op = "watch", protocol = PROTOCOL, version = _M.VERSION, epoch = _M.epoch }))
    local answer, err, nothing
    for _ = 1, SILENCE do
      answer, err, nothing = receive(sock)
      if ngx.worker.exiting() then return sock:close() end
      if answer or not nothing or err ~= "timeout" then break end
    end
    if not answer or type(answer.epoch) ~= "string" then
      sock:close()
      error(tostring(answer and answer.error or err), 0)
    end
    if _M.lost then log.write("notice", log.line("engine", "back")) end
    delay, _M.lost = 0.1, nil
    if answer.epoch ~= _M.epoch then
      _M.epoch = answer.epoch
      drop()
    end
  end
end

-- Runs as long as the worker and calls drop when what was decided is to be forgotten.
function _M.watch(drop)
  assert(ngx.timer.at(0, function(premature)
    while not premature and not ngx.worker.exiting() do
      ngx.sleep(delay)
      delay = math.min(delay * 2, 1)
      local ok, err = pcall(follow, drop)
      if not ok and not _M.lost then
        ngx.update_time()
        _M.lost = ngx.now()
        log.write("warn", log.line("engine", "lost", "error", err))
      end
    end
  end))
end

return _M
