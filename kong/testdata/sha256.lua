-- SHA-256 (FIPS 180-4) for the tests, with lua-resty-string's names.
local bit = require "bit"
local band, bxor, bnot, ror, rshift, tobit = bit.band, bit.bxor, bit.bnot, bit.ror, bit.rshift, bit.tobit

-- The first 32 bits of the fractional parts of roots of the first primes.
local function root_bits(prime, root)
  return tobit(math.floor((prime ^ (1 / root)) % 1 * 4294967296))
end

local K, H = {}, {}
local n = 2
while #K < 64 do
  local prime = true
  for d = 2, math.sqrt(n) do prime = prime and n % d ~= 0 end
  if prime then
    K[#K + 1] = root_bits(n, 3)
    if #H < 8 then H[#H + 1] = root_bits(n, 2) end
  end
  n = n + 1
end

local function bytes(word)
  return string.char(band(rshift(word, 24), 255), band(rshift(word, 16), 255), band(rshift(word, 8), 255), band(word, 255))
end

local function block(h, text, at)
  local w = {}
  for i = 1, 16 do
    local a, b, c, d = text:byte(at + 4 * i - 4, at + 4 * i - 1)
    w[i] = tobit(a * 16777216 + b * 65536 + c * 256 + d)
  end
  for i = 17, 64 do
    local x, y = w[i - 15], w[i - 2]
    local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
    local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
    w[i] = tobit(w[i - 16] + s0 + w[i - 7] + s1)
  end
  local a, b, c, d, e, f, g, last = unpack(h)
  for i = 1, 64 do
    local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
    local t1 = tobit(last + s1 + bxor(band(e, f), band(bnot(e), g)) + K[i] + w[i])
    local s0 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
    local t2 = tobit(s0 + bxor(band(a, b), band(a, c), band(b, c)))
    last, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
  end
  for i, v in ipairs({ a, b, c, d, e, f, g, last }) do h[i] = tobit(h[i] + v) end
end

local sha256 = {}
sha256.__index = sha256

function sha256:new() return setmetatable({ text = "" }, self) end
function sha256:update(text) self.text = self.text .. text end

function sha256:final()
  local text, h = self.text, { unpack(H) }
  text = text .. "\128" .. ("\0"):rep((55 - #text) % 64) .. ("\0"):rep(4) .. bytes(#text * 8)
  for at = 1, #text, 64 do block(h, text, at) end
  local out = {}
  for i, v in ipairs(h) do out[i] = bytes(v) end
  return table.concat(out)
end

return sha256
