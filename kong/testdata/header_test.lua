-- What header-cert-auth reads of a request's headers, and what stands for them in the cache.
local world = require "world"
local test, equal = world.test, world.equal

local FILE = "../plugins/header-cert-auth/presented.lua"
local BASE = "kong.plugins.header-cert-auth."

local presented, request, lines

-- As OpenResty: names in lower case, several lines as a list, and names that are not there
-- found in the spelling with "-".
local function get_headers(max)
  local all, n = {}, 0
  for _, header in ipairs(request.headers) do
    n = n + 1
    if max > 0 and n > max then return all, "truncated" end
    local name, value = header[1]:lower(), header[2]
    local before = all[name]
    if type(before) == "table" then before[#before + 1] = value
    else all[name] = before and { before, value } or value end
  end
  return setmetatable(all, { __index = function(t, name) return rawget(t, (name:lower():gsub("_", "-"))) end })
end

local function start(configuration)
  lines = {}
  request = { headers = {}, var = { realip_remote_addr = "10.0.0.1", remote_addr = "192.0.2.1" }, asked = 0 }
  ngx = {
    worker = { id = function() return 0 end },
    req = { get_headers = get_headers, clear_header = function(name)
      for i = #request.headers, 1, -1 do
        if request.headers[i][1]:lower() == name then table.remove(request.headers, i) end
      end
    end },
  }
  setmetatable(ngx, { __index = function(_, name) return name == "var" and request.var or nil end })
  kong = {
    configuration = configuration or { trusted_ips = { "10.0.0.1" } },
    ip = { is_trusted = function(peer)
      request.asked = request.asked + 1
      return peer == "10.0.0.1"
    end },
  }
  package.loaded["kong.plugins.mtls-auth.log"] = { of = function(plugin)
    return {
      line = function(_, setting, _, text) return plugin .. " " .. setting .. ": " .. text end,
      write = function(level, line) lines[#lines + 1] = level .. " " .. line end,
    }
  end }
  presented = assert(loadfile(FILE))(BASE .. "presented")
end

local function conf(changes)
  local all = { certificate_header_name = "SSL-Client-Cert", secure_source = true }
  for name, value in pairs(changes or {}) do all[name] = value end
  return all
end

local function sent(...)
  request.headers = {}
  for _, line in ipairs({ ... }) do
    local name, value = line:match("^([^:]*): ?(.*)$")
    table.insert(request.headers, { name, value })
  end
end

test("a value that came once is its key", function()
  start()
  sent("Host: a", "ssl-client-cert: A")
  equal(presented.key(conf()), "A")
  sent("SSL-CLIENT-CERT: A")
  equal(presented.key(conf()), "A")
end)

test("nothing is a key that is not one line in the configured spelling", function()
  start()
  for _, headers in ipairs({
    {}, { "ssl_client_cert: A" }, { "ssl_client-cert: A" }, { "ssl-client-cert: A", "ssl_client_cert: A" },
    { "ssl-client-cert: A", "ssl-client-cert: A" }, { "ssl-client-cert: A", "ssl-client_cert:" }, { "ssl-client-cerx: A" },
  }) do
    sent(unpack(headers))
    equal(presented.key(conf()), nil, table.concat(headers, ", "))
  end
  local underscored = conf({ certificate_header_name = "SSL_CLIENT_CERT" })
  sent("ssl_client_cert: A")
  equal(presented.key(underscored), "A")
  sent("ssl-client-cert: A") -- which OpenResty finds under the other name as well
  equal(presented.key(underscored), nil)
end)

test("a key has the chain and the verdict", function()
  start()
  local all = conf({ certificate_chain_header_name = "chain", verification_header_name = "verdict" })
  local keys = {}
  for _, headers in ipairs({
    { "ssl-client-cert: A" }, { "ssl-client-cert: A", "verdict:" }, { "ssl-client-cert: A", "chain: B" },
    { "ssl-client-cert: A", "verdict: B" }, { "ssl-client-cert: A", "chain: B", "verdict: C" },
    { "ssl-client-cert: A", "chain: C", "verdict: B" },
  }) do
    sent(unpack(headers))
    local key = presented.key(all)
    assert(key and not keys[key], "the key " .. tostring(key) .. " of " .. table.concat(headers, ", "))
    keys[key] = true
  end
  sent("ssl-client-cert: A", "chain: B", "chain: B")
  equal(presented.key(all), nil)
end)

test("long values and a thousand lines are not kept", function()
  start()
  sent("ssl-client-cert: " .. ("A"):rep(16384))
  assert(presented.key(conf()))
  sent("ssl-client-cert: " .. ("A"):rep(16385))
  equal(presented.key(conf()), nil)
  sent("ssl-client-cert: A")
  for _ = 1, 998 do table.insert(request.headers, { "a", "b" }) end
  equal(presented.key(conf()), "A")
  table.insert(request.headers, { "a", "b" })
  equal(presented.key(conf()), nil)
  equal((presented.read(conf())).incomplete, true)
end)

test("a peer is asked about once, and what an untrusted one sends is named alone", function()
  start()
  sent("ssl-client-cert: A")
  presented.key(conf())
  presented.key(conf())
  equal(request.asked, 1)
  request.var.realip_remote_addr = "10.0.0.2"
  equal(presented.key(conf()), nil)
  local evidence, text, any = presented.read(conf())
  equal({ evidence.headers, evidence.peer, evidence.trusted, any }, { { { "ssl-client-cert", "" } }, "10.0.0.2", false, true })
  assert(not text:find("A", 1, true), text)
  equal(presented.key(conf({ secure_source = false })), "A")
end)

test("Unix sockets, and IPv4 addresses of a listener for both", function()
  start({ trusted_ips = { "10.0.0.1", "unix:" } })
  sent("ssl-client-cert: A")
  for peer, trusted in pairs({ ["unix:"] = true, ["::ffff:10.0.0.1"] = true, ["::ffff:10.0.0.2"] = false, ["10.0.0.11"] = false }) do
    request.var.realip_remote_addr = peer
    equal(presented.key(conf()) ~= nil, trusted, peer)
  end
  start()
  sent("ssl-client-cert: A")
  request.var.realip_remote_addr = "unix:"
  equal(presented.key(conf()), nil)
end)

test("all lines are read, whatever their spelling", function()
  start()
  sent("ssl_client_cert: B", "ssl-client-cert: A", "SSL-Client-Cert: C", "other: D")
  local evidence, _, any = presented.read(conf())
  equal({ evidence.headers, any }, { { { "ssl-client-cert", "A" }, { "ssl-client-cert", "C" }, { "ssl_client_cert", "B" } }, true })
  sent("other: D")
  evidence, _, any = presented.read(conf())
  equal({ evidence.headers or "none", any }, { "none", false })
end)

test("what is hidden", function()
  local all = conf({ hide_certificate_header = true, certificate_chain_header_name = "the-chain", verification_header_name = "verdict" })
  for hide, left in pairs({ [true] = 2, [false] = 5 }) do
    start()
    sent("ssl-client-cert: A", "ssl_client_cert: A", "the_chain: B", "verdict: C", "other: D")
    all.hide_certificate_header = hide
    presented.hide(all)
    equal(#request.headers, left)
  end
end)

test("warnings, each once", function()
  start({ trusted_ips = {} })
  for _ = 1, 2 do presented.prepare(conf()) end
  equal(#lines, 2)
  assert(lines[1]:find("^warn header%-cert%-auth trusted_ips: ") and lines[2]:find("large_client_header_buffers", 1, true))
  start({ trusted_ips = {}, nginx_proxy_directives = { { name = "large_client_header_buffers", value = "8 24k" } } })
  presented.prepare(conf({ secure_source = false }))
  equal(#lines, 0)
end)

world.finish()
