module mtls-auth

go 1.26.0

require (
	github.com/Kong/go-pdk v0.11.0
	github.com/spiffe/go-spiffe/v2 v2.9.0
	github.com/yuin/gopher-lua v1.1.2
	go.yaml.in/yaml/v3 v3.0.6
	golang.org/x/crypto v0.58.0
	golang.org/x/sync v0.25.0
	google.golang.org/protobuf v1.36.12
)

require github.com/ugorji/go/codec v1.2.12 // indirect
