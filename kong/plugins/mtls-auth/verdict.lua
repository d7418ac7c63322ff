-- Turns the server's verdict into a decision. An incomplete verdict is an error.
local levels = require((...):gsub("verdict$", "log")).levels
local cjson = require "cjson.safe"

local _M = {}

local MAX_TTL = 60 -- s for which a decision is cached at most

-- The request headers that are the plugin's, and what they are about; those of upstream
-- only with upstream_certificate_headers.
_M.headers = {
  ["X-Consumer-ID"] = "consumer", ["X-Consumer-Custom-ID"] = "consumer", ["X-Consumer-Username"] = "consumer",
  ["X-Credential-Identifier"] = "consumer", ["X-Anonymous-Consumer"] = "consumer",
  ["X-Client-Cert-Dn"] = "certificate", ["X-Client-Cert-San"] = "certificate",
  ["Client-Cert"] = "upstream", ["Client-Cert-Chain"] = "upstream", ["X-Client-Cert"] = "upstream",
  ["X-Client-Cert-Serial"] = "upstream", ["X-Client-Cert-Issuer-Dn"] = "upstream",
  ["X-Client-Cert-Subject-Dn"] = "upstream", ["X-Client-Cert-Fingerprint"] = "upstream",
}

local function is_text(value) return type(value) == "string" and value ~= "" end

local function is_list(value, of)
  if getmetatable(value) ~= cjson.array_mt then return false end
  for _, item in ipairs(value) do
    if not of(item) then return false end
  end
  return true
end

local function is_record(value)
  if type(value) ~= "table" then return false end
  for _, text in pairs(value) do
    if not is_text(text) then return false end
  end
  return value.reason ~= nil
end

local function is_pair(value)
  return is_list(value, function(item) return type(item) == "string" end) and #value == 2
end
local function is_line(value) return is_pair(value) and levels[value[1]] end
local function is_header(value) return is_pair(value) and _M.headers[value[1]] end

local function is_verdict(v, consumers)
  if not (is_text(v.verify) and is_text(v.reason) and is_text(v.epoch) and is_record(v.record)
    and is_list(v.lines, is_line) and (v.again == nil or is_line(v.again)) and (v.chain == nil or is_text(v.chain))
    and type(v.ttl_ms) == "number" and v.ttl_ms >= 0) then
    return false
  elseif v.verdict ~= "pass" then
    return is_text(v.message)
      and (v.verdict == "refuse" and v.status == 401 or v.verdict == "fault" and v.status == 500)
  end
  return v.status == nil and v.message == nil and is_list(v.headers, is_header)
    and (v.consumer ~= nil or v.credential ~= nil) and (v.consumer == nil or consumers[v.consumer])
    and (v.credential == nil or is_text(v.credential)) and (v.groups == nil or is_list(v.groups, is_text))
end

-- consumers are those that the verdict may name, by id.
function _M.decision(v, consumers)
  if not is_verdict(v, consumers) then error("invalid verdict of the server: " .. tostring(cjson.encode(v)), 0) end
  v.ttl = math.min(v.ttl_ms / 1000, MAX_TTL)
  if v.credential then
    v.credential = { id = v.credential, consumer_id = v.consumer, consumer = v.consumer and { id = v.consumer } }
  end
  v.consumer = consumers[v.consumer]
  return v
end

return _M
