-- Engines for the tests' worker: what answers at the other end of its sockets.
local world = require "world"

local engines = {}

-- An engine that answers decide by a function of the question, which returns what
-- to say, object by object, and watch by its epoch. It notes the questions.
function engines.new(decide)
  local engine = { epoch = "5f1c-7", asked = {}, decide = decide }
  function engine.serve(conn)
    while true do
      local question = conn:read()
      if not question then return end
      table.insert(engine.asked, question)
      if question.op == "watch" then
        local waited = 0
        while engine.epoch == question.epoch and waited < 2 and not conn.closed do
          conn:sleep(0.05)
          waited = waited + 0.05
        end
        conn:write({ epoch = engine.epoch })
      else
        engine.decide(question, conn, engine)
      end
    end
  end
  function engine.of(op)
    local of = {}
    for _, question in ipairs(engine.asked) do of[#of + 1] = question.op == op and question or nil end
    return of
  end
  function engine.count(op) return #engine.of(op) end
  -- The engine dies: its connections end, and there is no socket.
  function engine.stop()
    world.engine = nil
    for _, conn in ipairs(world.conns) do conn:close() end
    world.pools = {}
  end
  function engine.start() world.engine = engine.serve end
  engine.start()
  return engine
end

-- One that looks consumers up, where lookup says so, and then gives the verdict.
function engines.verdict(verdict, lookup)
  return engines.new(function(_, conn, engine)
    if lookup then
      conn:write({ lookup = lookup })
      engine.found = conn:read()
    end
    local v = {}
    for key, value in pairs(verdict) do v[key] = value end
    v.epoch = v.epoch == "5f1c-7" and engine.epoch or v.epoch
    conn:write(v)
  end)
end

return engines
