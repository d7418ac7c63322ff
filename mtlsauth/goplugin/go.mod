module mtls-auth/mtlsauth/goplugin

go 1.26.0

// go-pluginserver goes with this go-pdk, the rest of the program with a later
// one: what is used of it here knows no go-pdk.
replace (
	github.com/Kong/go-pdk => github.com/Kong/go-pdk v0.6.1
	mtls-auth => ../..
)

tool github.com/Kong/go-pluginserver

require (
	github.com/Kong/go-pdk v0.11.0
	github.com/ugorji/go/codec v1.3.2
	github.com/yuin/gopher-lua v1.1.2
	mtls-auth v0.0.0
)

require (
	github.com/Kong/go-pluginserver v0.6.1 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sync v0.25.0 // indirect
)
