-- Servers for the tests' worker: what answers at the other end of its sockets.
local world = require "world"

local servers = {}

-- A server that answers decide by a function of the question, which returns what
-- to say, object by object, and watch by its epoch. It notes the questions.
function servers.new(decide)
  local server = { epoch = "5f1c-7", sessions = "5f1c-1", pid = 4711, asked = {}, decide = decide }
  function server.serve(conn)
    while true do
      local question = conn:read()
      if not question then return end
      table.insert(server.asked, question)
      if question.op == "ping" then
        conn:write({ protocol = 3, pid = server.pid, lua_mode = server.lua_mode })
      elseif question.op == "watch" then
        local waited = 0
        while server.epoch == question.epoch and waited < 2 and not conn.closed do
          conn:sleep(0.05)
          waited = waited + 0.05
        end
        conn:write({ epoch = server.epoch, sessions = server.sessions, figures = question.figures and server.figures })
      else
        server.decide(question, conn, server)
      end
    end
  end
  function server.of(op)
    local of = {}
    for _, question in ipairs(server.asked) do of[#of + 1] = question.op == op and question or nil end
    return of
  end
  function server.count(op) return #server.of(op) end
  -- The server dies: its connections end, and there is no socket.
  function server.stop()
    world.server = nil
    for _, conn in ipairs(world.conns) do conn:close() end
    world.pools = {}
  end
  function server.start() world.server = server.serve end
  server.start()
  return server
end

-- One that looks consumers up, where lookup says so, and then gives the verdict.
function servers.verdict(verdict, lookup)
  return servers.new(function(_, conn, server)
    if lookup then
      conn:write({ lookup = lookup })
      server.found = conn:read()
    end
    local v = {}
    for key, value in pairs(verdict) do v[key] = value end
    v.epoch = v.epoch == "5f1c-7" and server.epoch or v.epoch
    conn:write(v)
  end)
end

return servers
