-- Lines for Kong's log: the plugin's name in brackets and key="value" pairs.
local prefix = "[" .. (...):match("([^.]+)%.log$") .. "] "

local _M = { levels = { debug = ngx.DEBUG, info = ngx.INFO, notice = ngx.NOTICE, warn = ngx.WARN, err = ngx.ERR } }

local MAX_VALUE = 256 -- bytes, as the program cuts values
local PER_SECOND = 100 -- lines of one reason
local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(value)
  if #value > MAX_VALUE then
    value = value:sub(1, MAX_VALUE):gsub("[\194-\244][\128-\191]*$", "") .. "…" -- no half of a character
  end
  return '"' .. value:gsub('[%c"\\]', function(c) return ESCAPES[c] or ("\\x%02x"):format(c:byte()) end) .. '"'
end

-- A line of pairs: key, value, key, value; without those whose value is nil.
function _M.line(...)
  local words = {}
  for i = 1, select("#", ...), 2 do
    local key, value = select(i, ...)
    if value ~= nil then words[#words + 1] = key .. "=" .. quote(tostring(value)) end
  end
  return prefix .. table.concat(words, " ")
end

function _M.write(level, line) ngx.log(_M.levels[level], line) end

local counts = {} -- by reason

-- Writes a line of those that whoever can make requests can make us write: beyond
-- so many a second they are counted, so that nobody fills a disk with them.
function _M.counted(level, reason, line)
  if level == "debug" then return _M.write(level, line) end
  local second = math.floor(ngx.now())
  for of, count in pairs(counts) do
    if count.second ~= second and count.left > 0 then
      _M.write(count.level, _M.line("reason", of, "not_written", count.left))
      count.left = 0
    end
  end
  local count = counts[reason]
  if not count or count.second ~= second then count = { second = second, lines = 0, left = 0 } end
  counts[reason], count.level, count.lines = count, level, count.lines + 1
  if count.lines <= PER_SECOND then return _M.write(level, line) end
  count.left = count.left + 1
end

return _M
