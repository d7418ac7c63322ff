package realkong

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mtls-auth/mtlsauth/internal/testing/anykong"
)

// installed are Kong's own plugins that the fake Kong has as well, and those that
// write logs.
var installed = []string{"pre-function", "post-function", "key-auth", "acl", "file-log", "prometheus"}

// settings returns kong.conf.
func (k *Kong) settings(beside string) string {
	var b strings.Builder
	set := func(name, value string) { fmt.Fprintf(&b, "%s = %s\n", name, value) }
	o := k.opts
	set("prefix", o.Prefix)
	if o.Postgres != nil {
		o.Postgres.settings(set)
	} else {
		set("database", "off")
		set("declarative_config", k.config)
	}
	if o.LuaPath != "" {
		set("lua_package_path", o.LuaPath+"/?.lua;;")
	}
	set("proxy_listen", fmt.Sprintf("127.0.0.1:%d, 127.0.0.1:%d http2 ssl", k.ports.plain, k.ports.tls))
	if o.NoAdmin {
		set("admin_listen", "off")
	} else {
		set("admin_listen", fmt.Sprintf("127.0.0.1:%d", k.ports.admin))
	}
	set("admin_gui_listen", "off")
	set("status_listen", "off")
	set("ssl_cert", filepath.Join(beside, "kong.crt"))
	set("ssl_cert_key", filepath.Join(beside, "kong.key"))
	set("anonymous_reports", "off")
	set("nginx_worker_processes", fmt.Sprint(max(1, o.Workers)))
	if os.Geteuid() == 0 {
		// Tests keep CA certificates in folders that no other user may read.
		set("nginx_user", "root root")
	}
	if o.LogLevel != "" {
		set("log_level", o.LogLevel)
	}
	if o.SSLVerifyClient != "" {
		set("nginx_proxy_ssl_verify_client", o.SSLVerifyClient)
	}
	if len(o.TrustedIPs) > 0 {
		set("trusted_ips", strings.Join(o.TrustedIPs, ","))
	}
	if o.NoAccessLog {
		set("proxy_access_log", "off")
	}
	plugins := slices.Concat(installed, o.Plugins)
	if servers := k.servers(); len(servers) > 0 {
		var names []string
		for _, s := range servers {
			names = append(names, s.Name)
			variable := "pluginserver_" + strings.ToLower(strings.ReplaceAll(s.Name, "-", "_"))
			set(variable+"_socket", s.Socket)
			set(variable+"_query_cmd", s.QueryCommand)
			if s.StartCommand != "" {
				set(variable+"_start_cmd", s.StartCommand)
			}
		}
		plugins = append(plugins, names...)
		set("pluginserver_names", strings.Join(names, ","))
	}
	set("plugins", strings.Join(plugins, ","))
	for _, line := range o.Settings {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// servers are all plugin servers, that of the common options first.
func (k *Kong) servers() []PluginServer {
	o := k.opts
	if o.QueryCommand == "" {
		return o.Servers
	}
	name := "mtls-auth"
	if called := filepath.Base(strings.Fields(o.QueryCommand)[0]); called == "header-cert-auth" {
		name = called
	}
	s := PluginServer{name, o.QueryCommand, o.StartCommand, o.Socket}
	if s.Socket == "" {
		s.Socket = filepath.Join(o.Prefix, name+".socket")
	}
	return append([]PluginServer{s}, o.Servers...)
}

// withAccessLog adds a global file-log to a declarative configuration, YAML or
// JSON, and returns it as JSON. With file "" it adds none.
func withAccessLog(config []byte, file string) ([]byte, error) {
	doc := map[string]any{}
	if err := yaml.Unmarshal(config, &doc); err != nil {
		return nil, fmt.Errorf("reading a declarative configuration: %w", err)
	}
	if doc["_format_version"] == nil {
		doc["_format_version"] = "3.0"
	}
	if file == "" {
		return json.Marshal(doc)
	}
	plugins, _ := doc["plugins"].([]any)
	doc["plugins"] = append(plugins, map[string]any{"name": "file-log", "config": map[string]any{"path": file}})
	return json.Marshal(doc)
}

// ports are those that Kong listens at. Kong takes no port 0.
type ports struct{ plain, tls, admin int }

func (ports) url(scheme string, port int) string {
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port)
}

// Below the ports that Linux gives to connections (ip_local_port_range): in between another
// process's connection would take one.
const lowestPort, highestPort = 10000, 32767

// freePorts finds ports at which nothing listens. Another process may take one
// before Kong does; then Kong does not start.
func freePorts() (ports, error) {
	var p ports
	for _, port := range []*int{&p.plain, &p.tls, &p.admin} {
		var l net.Listener
		var err error
		for range 100 {
			*port = lowestPort + rand.IntN(highestPort-lowestPort+1)
			if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port)); err == nil {
				break
			}
		}
		if err != nil {
			return p, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close() // all are held until all are found
	}
	return p, nil
}

// writeCertificate writes kong.crt and kong.key, which Kong shows to clients,
// and returns the certificate as PEM.
func writeCertificate(dir string) ([]byte, error) {
	cert, certPEM, err := anykong.ServerCertificate()
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "kong.crt"), certPEM, 0o644); err != nil {
		return nil, err
	}
	return certPEM, os.WriteFile(filepath.Join(dir, "kong.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}
