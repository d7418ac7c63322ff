-- Asks the engine: the program that Kong runs as plugin server. A frame on its
-- socket is a 32-bit little-endian length and one JSON object. What is not as the
-- protocol says is an error and ends the connection: never a pass.
local base, plugin = (...):match("^(.-([^.]+)%.)engine$")
local log, verdict = require(base .. "log"), require(base .. "verdict")
local cjson = require("cjson.safe").new()
cjson.decode_array_with_array_mt(true) -- tells [] from {}

-- The epoch is that in which decisions may be kept, nil as long as the engine was
-- not heard of; lost is since when it is not any more.
local _M = { VERSION = "0.1.0", epoch = nil, lost = nil }

local PROTOCOL = 1
local MAX_FRAME = 1048576 -- bytes
local MAX_FRAMES, MAX_WAIT = 40, 60 -- for a verdict; every 2 s the engine says that it still decides
local SILENCE = 4 -- s, after which a watch is broken: it is answered within 2

local function address()
  for _, server in ipairs(kong.configuration.pluginservers or {}) do
    if server.name == plugin then return "unix:" .. server.socket end
  end
  return "unix:" .. kong.configuration.prefix .. "/" .. plugin .. ".socket"
end

-- Where Kong listens, of which the program visits nothing for a certificate's sake.
local function listens()
  local all = {}
  for _, of in ipairs({ "proxy", "admin", "admin_gui", "status", "cluster", "cluster_telemetry", "stream", "debug" }) do
    local values = kong.configuration[of .. "_listen"]
    for _, value in ipairs(type(values) == "table" and values or {}) do all[#all + 1] = value:match("^%S+") end
  end
  return all[1] and all
end

local pool = 1 -- counts pools of connections: one in which some have died is left alone

local function send(sock, object)
  local text = assert(cjson.encode(object))
  local n = #text
  if n > MAX_FRAME then error("a frame of " .. n .. " bytes for the engine, over 1 MiB", 0) end
  return sock:send({ string.char(n % 256, math.floor(n / 256) % 256, math.floor(n / 65536), 0), text })
end

-- Returns an object; or nil, why, and whether nothing of it had come.
local function receive(sock)
  local head, err, partial = sock:receive(4)
  if not head then return nil, err, partial == "" end
  local a, b, c, d = head:byte(1, 4)
  local n = a + b * 256 + c * 65536 + d * 16777216
  if n == 0 or n > MAX_FRAME then return nil, "a frame of " .. n .. " bytes" end
  local text, failed = sock:receive(n)
  if not text then return nil, "half a frame: " .. failed end
  local object, wrong = cjson.decode(text)
  if type(object) == "table" and getmetatable(object) ~= cjson.array_mt then return object end
  return nil, "no JSON object: " .. (wrong or type(object))
end

-- Opens a connection with a question on it, and returns the first answer.
local function ask(sock, question, read_timeout)
  sock:settimeouts(200, 5000, read_timeout)
  local ok, err = sock:connect(address(), { pool = plugin .. "#" .. pool })
  if not ok then return nil, "connecting: " .. err end
  ok, err = send(sock, question)
  if not ok then return nil, err, true end
  return receive(sock)
end

-- Goes on from the first answer until there is a verdict.
local function converse(sock, answer, question, definition, find, flight)
  local deadline, consumers = ngx.now() + MAX_WAIT, nil
  for _ = 1, MAX_FRAMES do
    flight.alive = ngx.now()
    local reply, err
    if answer.verdict ~= nil then
      return verdict.decision(answer, consumers or {})
    elseif answer.need == "definition" and not question.definition then
      question.definition, reply = definition, question
    elseif answer.lookup ~= nil and not consumers then
      reply, consumers = find(answer.lookup)
    elseif answer.wait ~= true then
      error("the engine's answer is none: " .. tostring(cjson.encode(answer)), 0)
    end
    if reply then assert(send(sock, reply)) end
    answer, err = receive(sock)
    if not answer then error("the engine's answer: " .. err, 0) end
    if ngx.now() > deadline then break end
  end
  error("the engine gave no verdict", 0)
end

-- Asks for a decision; raises an error when there is none. find looks up consumers,
-- flight.alive is kept at the last sign of life. A connection that ends before there
-- was an answer is replaced once: kept ones end with the engine that they led to.
function _M.decide(question, definition, find, flight)
  question.op, question.protocol, question.version = "decide", PROTOCOL, _M.VERSION
  local before = pool
  local sock = ngx.socket.tcp()
  local answer, err, nothing = ask(sock, question, 5000)
  if not answer and nothing and err ~= "timeout" then
    sock:close()
    if pool == before then pool = pool + 1 end
    sock = ngx.socket.tcp()
    answer, err = ask(sock, question, 5000)
  end
  local ok, result = false, "the engine: " .. tostring(err)
  if answer then ok, result = pcall(converse, sock, answer, question, definition, find, flight) end
  if not ok then
    sock:close()
    error(result, 0)
  end
  sock:setkeepalive(30000, 64)
  return result
end

-- Has drop called for every other epoch, until the connection breaks. At first it
-- names none, so as to be answered at once. Reads for a second at a time, so as not to
-- hold up a worker that is to end.
local function follow(sock, drop)
  local told
  while true do
    local question = { op = "watch", protocol = PROTOCOL, version = _M.VERSION, epoch = told }
    question.listen = not told and listens() or nil
    local answer, err, nothing = ask(sock, question, 1000)
    for _ = 2, SILENCE do
      if answer or not nothing or err ~= "timeout" or ngx.worker.exiting() then break end
      answer, err, nothing = receive(sock)
    end
    if not answer or type(answer.epoch) ~= "string" then return err or answer.error end
    if _M.lost then log.write("notice", log.line("engine", "found")) end
    told, _M.lost = answer.epoch, nil
    if told ~= _M.epoch then
      _M.epoch = told
      drop()
    end
    if ngx.worker.exiting() then return end
    sock:setkeepalive(30000, 64)
  end
end

-- Watches as long as the worker lives. At first the engine starts with the worker.
function _M.watch(drop)
  assert(ngx.timer.at(0, function(premature)
    local pause = 1
    while not premature and not ngx.worker.exiting() do
      ngx.sleep(pause)
      local sock = ngx.socket.tcp()
      local _, err = pcall(follow, sock, drop)
      sock:close()
      if not _M.lost and not ngx.worker.exiting() then
        ngx.update_time()
        _M.lost, pause = ngx.now(), 0.05
        log.write("warn", log.line("engine", "lost", "error", err))
      end
      pause = math.min(pause * 2, 1)
    end
  end))
end

return _M
