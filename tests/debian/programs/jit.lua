-- Traces recorded, compiled, linked and left again. The sums must be the same without the compiler.
local bit = require("bit")

local function integers(n)
  local hash = 0x1234567
  for i = 1, n do hash = bit.bxor(bit.rol(hash, 5), i * 7 % 65536) end
  return hash
end
local function floats(n)
  local sum = 0
  for i = 1, n do sum = sum + math.sqrt(i) / (1 + i % 7) end
  return string.format("%.10f", sum)
end
local function tables(n)
  local t = {}
  for i = 1, n do t[i] = (i * 7919) % 10007 end
  table.sort(t)
  local sum = 0
  for i, v in ipairs(t) do if v % 3 == 0 then sum = sum + v * i % 11 else sum = sum - v % 5 end end
  return sum
end
local function text(n)
  local parts = {}
  for i = 1, n do parts[#parts + 1] = tostring(i):rep(i % 4) end
  local all = table.concat(parts, "-")
  local count = 0
  for word in all:gmatch("%d+") do count = count + #word end
  return count .. " " .. #all:gsub("1", "one")
end
local function closures(n)
  local function counter() local c = 0; return function(x) c = c + x; return c end end
  local a, b, last = counter(), counter(), 0
  for i = 1, n do last = i % 2 == 0 and a(i) or b(-i) end
  return last + a(0)
end
local function coroutines(n)
  local sum = 0
  local make = coroutine.wrap(function() for i = 1, n do coroutine.yield(i * i) end end)
  for _ = 1, n do sum = sum + make() end
  return sum
end
local function errors(n)
  local caught = 0
  for i = 1, n do
    local fine = pcall(function() if i % 3 == 0 then error("three") end return (nil)[i] end)
    if not fine then caught = caught + i end
  end
  return caught
end
for _ = 1, 3 do
  print("integers", integers(5000000))
  print("floats", floats(3000000))
  print("tables", tables(100000))
  print("text", text(20000))
  print("closures", closures(1000000))
  print("coroutines", coroutines(100000))
  print("errors", errors(20000))
end
