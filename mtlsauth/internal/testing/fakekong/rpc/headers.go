package rpc

import (
	"net/http"
	"strings"

	pb "github.com/Kong/go-pdk/server/kong_plugin_protocol"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// The methods about the request, the upstream's headers and the answer.
func init() {
	upstream := func(c *call) http.Header {
		if c.Header == nil {
			c.Header = http.Header{}
		}
		return c.Header
	}
	client := func(c *call) http.Header {
		if c.ResponseHeader == nil {
			c.ResponseHeader = http.Header{}
		}
		return c.ResponseHeader
	}
	for prefix, table := range map[string]func(*call) http.Header{
		"kong.service.request.": upstream,
		"kong.response.":        client,
	} {
		methods[prefix+"set_header"] = withHeader(table, http.Header.Del)
		methods[prefix+"add_header"] = withHeader(table, func(http.Header, string) {})
		methods[prefix+"clear_header"] = withString(func(c *call, name string) ([]byte, error) {
			table(c).Del(name)
			return nil, nil
		})
		methods[prefix+"set_headers"] = func(c *call) ([]byte, error) {
			var m structpb.Struct
			if err := c.decode(&m); err != nil {
				return nil, err
			}
			return nil, setHeaders(table(c), fromStruct(&m))
		}
	}
	methods["kong.response.exit"] = exit
	methods["kong.response.set_status"] = func(c *call) ([]byte, error) {
		var m pb.Int
		if err := c.decode(&m); err != nil {
			return nil, err
		}
		if err := checkStatus(m.V); err != nil {
			return nil, err
		}
		return nil, throwf("the fake Kong does not emulate kong.response.set_status")
	}

	methods["kong.request.get_header"] = withString(func(c *call, name string) ([]byte, error) {
		return text(getHeader(c.Header, name))
	})
	methods["kong.request.get_headers"] = getHeaders
	methods["kong.request.get_scheme"] = answer(func(c *call) string { return c.Scheme })
	methods["kong.request.get_host"] = answer(func(c *call) string { return c.Host })
	methods["kong.request.get_port"] = number(func(c *call) int { return c.Port })
	methods["kong.request.get_method"] = answer(func(c *call) string { return c.Method })
	methods["kong.request.get_path"] = answer(func(c *call) string { return c.Path })
	methods["kong.request.get_raw_query"] = answer(func(c *call) string { return c.RawQuery })
	methods["kong.request.get_path_with_query"] = answer(func(c *call) string { return c.asSent() })
	methods["kong.request.get_forwarded_scheme"] = methods["kong.request.get_scheme"]
	methods["kong.request.get_forwarded_host"] = methods["kong.request.get_host"]
	methods["kong.request.get_forwarded_port"] = methods["kong.request.get_port"]
}

func withHeader(table func(*call) http.Header, before func(http.Header, string)) method {
	return withKV(func(c *call, name string, v any) error {
		values, err := headerValues(name, v)
		if err != nil {
			return err
		}
		h := table(c)
		before(h, name)
		for _, v := range values {
			h.Add(name, v)
		}
		return nil
	})
}

func setHeaders(h http.Header, all map[string]any) error {
	for name, v := range all {
		values, err := headerValues(name, v)
		if err != nil {
			return err
		}
		h.Del(name)
		for _, v := range values {
			h.Add(name, v)
		}
	}
	return nil
}

func checkStatus(code int32) error {
	if code < 100 || code > 599 {
		return throwf("code must be a number between 100 and 599")
	}
	return nil
}

// exit is kong.response.exit: the event ends here, without a reply.
func exit(c *call) ([]byte, error) {
	var m pb.ExitArgs
	if err := c.decode(&m); err != nil {
		return nil, err
	}
	if err := checkStatus(m.Status); err != nil {
		return nil, err
	}
	out := &Exit{Status: int(m.Status), Body: m.Body, Header: http.Header{}}
	if err := setHeaders(out.Header, fromStruct(m.Headers)); err != nil {
		return nil, err
	}
	out.Header.Del("Transfer-Encoding")
	c.Exit = out
	return nil, errExit
}

// getHeader reads $http_name: a header under any spelling of its name with _
// for -, the first value where there are several.
func getHeader(h http.Header, name string) string {
	if v := h.Values(name); len(v) > 0 {
		return v[0]
	}
	want := plain(name)
	for k, v := range h {
		if len(v) > 0 && plain(k) == want {
			return v[0]
		}
	}
	return ""
}

func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "_")) }

// getHeaders answers with lower-case names, a list where a name has several
// values, and at most as many values as were asked for.
func getHeaders(c *call) ([]byte, error) {
	var m pb.Int
	if err := c.decode(&m); err != nil {
		return nil, err
	}
	switch {
	case m.V < 1:
		return nil, throwf("max_headers must be >= 1")
	case m.V > 1000:
		return nil, throwf("max_headers must be <= 1000")
	}
	left := int(m.V)
	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for name, values := range c.Header {
		values = values[:min(len(values), left)]
		left -= len(values)
		switch len(values) {
		case 0:
		case 1:
			out.Fields[strings.ToLower(name)] = structpb.NewStringValue(values[0])
		default:
			list := &structpb.ListValue{}
			for _, v := range values {
				list.Values = append(list.Values, structpb.NewStringValue(v))
			}
			out.Fields[strings.ToLower(name)] = structpb.NewListValue(list)
		}
	}
	return proto.Marshal(out)
}
