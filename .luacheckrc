std = "ngx_lua"
max_line_length = 120
read_globals = { "kong" }

include_files = {
  ".luacheckrc",
  "kong/**/*.lua",
  "mtlsauth/goplugin/guard.lua",
  "mtlsauth/internal/handshake/*.lua",
  "spec/**/*.lua",
}

-- A plugin's handler is called with itself, and writes to kong.ctx.shared.
files["kong/"] = { globals = { "kong" }, self = false }
files["kong/testdata/"] = { globals = { "kong", "ngx" }, max_line_length = 140 }

-- Kong's code for pre-function and post-function writes to kong.ctx.shared.
files["mtlsauth/"] = { globals = { "kong" } }

files["spec/"] = { std = "+busted" }
