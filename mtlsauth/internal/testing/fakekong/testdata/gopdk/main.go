// A plugin server on go-pdk's own server, to prove that the fake Kong speaks to
// the real thing. It has a module of its own, since go-pdk's server needs what
// the project does not.
package main

import (
	"strconv"

	"github.com/Kong/go-pdk"
	"github.com/Kong/go-pdk/server"
)

// Config is the plugin's configuration; go-pdk makes its schema of it.
type Config struct {
	Mode string `json:"mode"`
}

// Access does what the mode says.
func (c *Config) Access(kong *pdk.PDK) {
	switch c.Mode {
	case "panic":
		panic("as told")
	case "exit":
		kong.Response.Exit(401, []byte(`{"message":"no"}`), map[string][]string{"Content-Type": {"application/json"}})
		return
	}
	cert, _ := kong.Nginx.GetVar("ssl_client_raw_cert")
	chain, _ := kong.Ctx.GetSharedString("mtls_auth_client_chain")
	nothing, err := kong.Ctx.GetSharedAny("nothing")
	_ = kong.ServiceRequest.SetHeader("X-Client-Cert-Len", strconv.Itoa(len(cert)))
	_ = kong.ServiceRequest.SetHeader("X-Chain-Len", strconv.Itoa(len(chain)))
	_ = kong.ServiceRequest.SetHeader("X-Nothing", strconv.FormatBool(nothing == nil && err == nil))
	headers, _ := kong.Request.GetHeaders(100)
	_ = kong.ServiceRequest.SetHeader("X-Host", headers["host"][0])
	consumer, _ := kong.Client.LoadConsumer("alice", true)
	_ = kong.ServiceRequest.SetHeader("X-Consumer-ID", consumer.Id)
	_ = kong.Log.Notice("[gopdk] served ", c.Mode)
}

func main() {
	_ = server.StartServer(func() interface{} { return new(Config) }, "1.0.0", 1600)
}
