-- Lines for Kong's log: the plugin's name in brackets and key="value" pairs.
local plugin = (...):match("([^.]+)%.log$")

local LEVELS = { debug = ngx.DEBUG, info = ngx.INFO, notice = ngx.NOTICE, warn = ngx.WARN, err = ngx.ERR }
local MAX_VALUE, PER_SECOND = 256, 100 -- bytes of a value, lines of one reason: as the server has it

-- Returns the log of the plugin of this name.
local function of(name)
  local _M, prefix = { levels = LEVELS }, "[" .. name .. "] "
  local counts = {} -- by reason

  -- Makes a line of key, value, key, value; without those whose value is nil.
  function _M.line(...)
    local words = {}
    for i = 1, select("#", ...), 2 do
      local key, value = select(i, ...)
      if value ~= nil then
        value = tostring(value)
        if #value > MAX_VALUE then value = value:sub(1, MAX_VALUE):gsub("[\194-\244]?[\128-\191]*$", "") .. "…" end
        value = value:gsub('["\\]', "\\%0"):gsub("%c", function(c) return ("\\x%02x"):format(c:byte()) end)
        words[#words + 1] = key .. '="' .. value .. '"'
      end
    end
    return prefix .. table.concat(words, " ")
  end

  -- Writes a line. Lines with a reason are caused by requests, so only so many a second
  -- are written; the others are counted. Not at debug, which was asked for.
  function _M.write(level, line, reason)
    if reason and level ~= "debug" then
      local second, count = math.floor(ngx.now()), counts[reason]
      if not count or count.second ~= second then
        local left = count and count.lines - PER_SECOND or 0
        if left > 0 then _M.write(level, _M.line("reason", reason, "not_written", left)) end
        count = { second = second, lines = 0 }
        counts[reason] = count
      end
      count.lines = count.lines + 1
      if count.lines > PER_SECOND then return end
    end
    ngx.log(LEVELS[level], line)
  end

  return _M
end

local _M = of(plugin)
_M.of = of
return _M
