-- What the tests' worlds have in common, as in frames/*.json.
local world = require "world"

local fixtures = {
  ca = "aaaaaaaa-0000-4000-8000-000000000001",
  ca2 = "aaaaaaaa-0000-4000-8000-000000000002", -- which is not in the database
  alice = { id = "cccccccc-0000-4000-8000-000000000001", username = "alice", custom_id = "alice.example" },
  anonymous = { id = "cccccccc-0000-4000-8000-000000000009", username = "anonymous" },
}

local decide = world.frame("decide")
fixtures.leaf, fixtures.chain = decide.leaf, decide.chain

function fixtures.definition() return assert(world.json.decode(world.read("frames/definition.txt"))) end

-- A new configuration table: that of the golden frames, with changes.
function fixtures.conf(changes)
  local conf = fixtures.definition().config
  conf.__plugin_id, conf.__seq__, conf.route_id, conf.plugin_instance_name = "p", math.random(1e6), "r", "i"
  for key, value in pairs(changes or {}) do conf[key] = value end
  return conf
end

-- One without credentials of its own.
function fixtures.plain(changes)
  local conf = fixtures.conf(changes)
  conf.credentials = nil
  return conf
end

function fixtures.options(changes)
  local options = {
    consumers = { fixtures.alice, fixtures.anonymous },
    cas = { { id = fixtures.ca, cert = fixtures.definition().ca_certificates[1].cert } },
    credentials = { {
      id = "dddddddd-0000-4000-8000-000000000001", subject_name = "alice.example", key = "alice.example:" .. fixtures.ca,
      ca_certificate = { id = fixtures.ca }, consumer = { id = fixtures.alice.id },
    } },
  }
  for key, value in pairs(changes or {}) do options[key] = value end
  return options
end

-- A request with the golden frames' certificate, on a connection of its own.
function fixtures.request(changes)
  local request = { leaf = fixtures.leaf, chain = fixtures.chain, var = { ssl_session_reused = "." } }
  for key, value in pairs(changes or {}) do request[key] = value end
  return request
end

-- The request's headers by name, as the upstream gets them.
function fixtures.headers(request)
  local all = {}
  for _, header in ipairs(request.headers) do all[header[1]] = header[2] end
  return all
end

return fixtures
