-- Makes the engine's verdict a decision. What lacks anything is no verdict.
local base = (...):match("^(.+%.)verdict$")
local log = require(base .. "log")
local array_mt = require("cjson.safe").array_mt

local _M = {}

local MAX_TTL = 60 -- s, that a decision is kept

local NAMES = {}
for _, name in ipairs(require(base .. "headers").names) do NAMES[name] = true end

local function must(condition, what)
  if not condition then error("the engine's verdict: " .. what, 0) end
end

local function is_text(value) return type(value) == "string" and value ~= "" end

local function is_pair(value)
  return getmetatable(value) == array_mt and #value == 2 and is_text(value[1]) and type(value[2]) == "string"
end

local function is_line(value) return is_pair(value) and log.levels[value[1]] end

local function is_header(value) return is_pair(value) and NAMES[value[1]] end

local function list(of, name, is)
  must(getmetatable(of) == array_mt, name .. " is no list")
  for _, value in ipairs(of) do must(is(value), "what " .. name .. " has is none of them") end
  return of
end

-- consumers are those that the verdict may name, by id.
function _M.check(v, consumers)
  must(is_text(v.verify) and is_text(v.reason) and is_text(v.epoch), "verify, reason or epoch is missing")
  must(type(v.ttl_ms) == "number" and v.ttl_ms >= 0, "ttl_ms is no time")
  must(v.again == nil or is_line(v.again), "again is no line")
  local d = {
    verify = v.verify, reason = v.reason, epoch = v.epoch, ttl = math.min(v.ttl_ms / 1000, MAX_TTL),
    lines = list(v.lines, "lines", is_line), again = v.again,
  }
  if v.verdict ~= "pass" then
    must(v.verdict == "refuse" and v.status == 401 or v.verdict == "fault" and v.status == 500, "there is none such")
    must(is_text(v.body), "body is missing")
    d.status, d.body = v.status, v.body
    return d
  end
  must(v.status == nil and v.body == nil, "a pass with a status or body")
  d.headers = list(v.headers, "headers", is_header)
  if v.consumer ~= nil then
    d.consumer = consumers[v.consumer]
    must(d.consumer, "a consumer that was not found")
  end
  if v.credential ~= nil then
    must(is_text(v.credential), "credential is no id")
    d.credential = { id = v.credential, consumer_id = v.consumer }
  end
  must(d.consumer or d.credential, "a pass for nobody")
  d.groups = v.groups and list(v.groups, "groups", is_text)
  return d
end

return _M
