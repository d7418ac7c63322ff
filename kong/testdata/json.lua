-- JSON for the tests, with lua-cjson's names: null and the metatable of arrays.
local json = { null = setmetatable({}, { __tostring = function() return "null" end }), array_mt = {} }

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function encode(value)
  local kind = type(value)
  if value == json.null then return "null" end
  if kind == "string" then
    return '"' .. value:gsub('[%c"\\/]', function(c) return ESCAPES[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
  elseif kind == "number" or kind == "boolean" then
    return tostring(value)
  elseif kind ~= "table" then
    error("a " .. kind .. " is no JSON")
  end
  local parts = {}
  if getmetatable(value) == json.array_mt or value[1] ~= nil then
    for i, item in ipairs(value) do parts[i] = encode(item) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, item in pairs(value) do parts[#parts + 1] = encode(key) .. ":" .. encode(item) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

local UNESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local decode

local function decode_string(text, at)
  local parts = {}
  while true do
    local plain, stop, last = text:match('^([^"\\]*)(["\\])()', at)
    if not plain then error("a string without end") end
    parts[#parts + 1] = plain
    if stop == '"' then return table.concat(parts), last end
    local c = text:sub(last, last)
    if c == "u" then
      local code = tonumber(text:sub(last + 1, last + 4), 16)
      if not code or code > 127 then error("an escape that the tests have no need of") end
      parts[#parts + 1], at = string.char(code), last + 5
    else
      parts[#parts + 1], at = UNESCAPES[c] or c, last + 1
    end
  end
end

-- Reads what lies between brackets, by calling each for every item.
local function decode_items(text, at, close, each)
  at = text:match("^%s*()", at)
  if text:sub(at, at) == close then return at + 1 end
  while true do
    at = each(at)
    local mark, last = text:match("^%s*([,%]}])%s*()", at)
    if mark == close then return at + #text:sub(at):match("^%s*[%]}]") end
    if mark ~= "," then error("no , at " .. at) end
    at = last
  end
end

function decode(text, at)
  at = text:match("^%s*()", at)
  local c = text:sub(at, at)
  if c == '"' then return decode_string(text, at + 1) end
  if c == "{" then
    local object = {}
    return object, decode_items(text, at + 1, "}", function(from)
      local key, colon = decode(text, from)
      local value, last = decode(text, assert(text:match("^%s*:()", colon), "no :"))
      object[key] = value
      return last
    end)
  elseif c == "[" then
    local array = setmetatable({}, json.array_mt)
    return array, decode_items(text, at + 1, "]", function(from)
      local value, last = decode(text, from)
      array[#array + 1] = value
      return last
    end)
  end
  local word, last = text:match("^([%w.+-]+)()", at)
  if word == "true" or word == "false" then return word == "true", last end
  if word == "null" then return json.null, last end
  return tonumber(word) or error("no JSON at " .. at), last
end

function json.encode(value)
  local ok, text = pcall(encode, value)
  if ok then return text end
  return nil, text
end

function json.decode(text)
  local ok, value, last = pcall(decode, text, 1)
  if ok and text:find("^%s*$", last) then return value end
  return nil, ok and "more than one value" or value
end

function json.decode_array_with_array_mt() end
function json.new() return json end

return json
