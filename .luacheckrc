std = "ngx_lua"
max_line_length = 120
read_globals = { "kong" }

include_files = {
  ".luacheckrc",
  "mtlsauth/goplugin/guard.lua",
  "mtlsauth/internal/handshake/*.lua",
  "spec/**/*.lua",
}

-- Kong's code for pre-function and post-function writes to kong.ctx.shared.
files["mtlsauth/"] = { globals = { "kong" } }

files["spec/"] = { std = "+busted" }
