-- The request headers that are the plugin's: what a client sent under these names reaches
-- no upstream, and what a decision says does.
local known = require((...):gsub("headers$", "verdict")).headers

local _M = {}

-- Names in lower case, and what they are about, without upstream_certificate_headers and
-- with it.
local usual, all = {}, {}
for name, about in pairs(known) do
  usual[name:lower()], all[name:lower()] = about ~= "upstream" and about or nil, about
end

local function ours(conf) return type(conf.upstream_certificate_headers) == "table" and all or usual end

-- Whether any of them came, which is seldom: one of nginx's variables has a header in any
-- spelling, also with "_" for "-". A table of all headers would cost more than everything
-- else about a request with a cached decision.
local function any_came(var, mine)
  return var.http_x_consumer_id or var.http_x_consumer_custom_id or var.http_x_consumer_username
    or var.http_x_credential_identifier or var.http_x_anonymous_consumer
    or var.http_x_client_cert_dn or var.http_x_client_cert_san
    or mine == all and (var.http_client_cert or var.http_client_cert_chain or var.http_x_client_cert
      or var.http_x_client_cert_serial or var.http_x_client_cert_issuer_dn
      or var.http_x_client_cert_subject_dn or var.http_x_client_cert_fingerprint)
end

-- Drops what came in as one of them, also with "_" for "-", which many upstreams read as
-- the same. With keep, those of an earlier plugin's consumer stay.
function _M.clear(conf, keep)
  local mine = ours(conf)
  if not any_came(ngx.var, mine) then return end
  for sent in pairs(ngx.req.get_headers(0)) do -- all there are, in lower case
    local about = mine[sent:gsub("_", "-")]
    if about and not (keep and about == "consumer" and not sent:find("_", 1, true)) then ngx.req.clear_header(sent) end
  end
end

-- Kong drops the headers that the client's Connection header names, after all plugins.
-- The plugin's own are taken out of it: without X-Anonymous-Consumer, say, an upstream
-- would see an authenticated consumer.
function _M.guard(conf)
  -- Before 3.8 Kong reads the variable, which has the value of when it was read first.
  local variable = (kong.version_num or math.huge) >= 3008000
  local connection = variable and ngx.var.http_connection or not variable and ngx.req.get_headers(0).connection
  if type(connection) == "table" then connection = table.concat(connection, ",") end
  if not connection or not connection:find("[xXcC]%a*[-_]") then return end
  local mine, left = ours(conf), {}
  for token in connection:gmatch("[^,%s]+") do
    if not mine[token:lower():gsub("_", "-")] then left[#left + 1] = token end
  end
  ngx.req.set_header("Connection", left[1] and table.concat(left, ", ") or "keep-alive")
  ngx.ctx.cached_request_headers = nil -- where Kong 3.9 reads it
end

-- Kong's ngx.req.set_header also makes the worker forget, for good, that it keeps a
-- header's variable by index: needed once for each name, and dearer than the rest.
local set_header, forgotten = require("resty.core.request").set_req_header or ngx.req.set_header, {}

-- Sets those of a decision. What a client sent is cleared already.
function _M.set(list)
  for i = 1, #list do
    local name, value = list[i][1], list[i][2]
    if not forgotten[name] then
      ngx.req.set_header(name, nil)
      forgotten[name] = true
    end
    if value ~= "" then set_header(name, value, true) end
  end
end

return _M
