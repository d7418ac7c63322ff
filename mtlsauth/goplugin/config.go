package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"mtls-auth/mtlsauth/internal/engine"
)

// instance is a configuration in go-pluginserver.
type instance struct {
	*engine.Policy
	// pluginID is the id of Kong's plugin entity; "" where Kong does not tell it.
	pluginID string
}

// UnmarshalJSON starts an instance of what Kong sent. It refuses nothing: a
// configuration that cannot be carried out makes an instance that answers every
// request with 500. What it uses is given back when go-pluginserver has
// dropped the instance, of which it sends no word.
func (c *Config) UnmarshalJSON(data []byte) error {
	started := new(instance)
	c.instance = started
	return recovered(func() error {
		p := opened()
		var kong ofKong
		if err := kong.read(data); err != nil {
			started.Policy = p.Refuse(err)
		} else {
			started.Policy, started.pluginID = p.Start(data), kong.PluginID
		}
		runtime.AddCleanup(c, func(p *engine.Policy) {
			p.Close()
			givenBack.Add(1)
		}, started.Policy)
		return nil
	})
}

// givenBack counts the instances that were, for the tests: nothing else shows it.
var givenBack atomic.Int64

// ofKong is what Kong sends along with the fields, and the fields of which a
// schema without defaults makes something else.
type ofKong struct {
	PluginID        string          `json:"__plugin_id"`
	ConsumerID      string          `json:"consumer_id"`
	ConsumerGroupID string          `json:"consumer_group_id"`
	Skip            any             `json:"skip_consumer_lookup"`
	ConsumerBy      json.RawMessage `json:"consumer_by"`
}

// read refuses what is right in itself but would mean something else in this mode.
func (k *ofKong) read(data []byte) error {
	if err := json.Unmarshal(data, k); err != nil {
		return fmt.Errorf("config: reading the JSON object that Kong sends: %w", err)
	}
	var wrong []error
	if k.ConsumerID != "" || k.ConsumerGroupID != "" {
		wrong = append(wrong, errors.New("consumer, consumer_group: value must be null: the plugin finds out who the consumer is, it cannot be set up for one"))
	}
	if k.Skip != true && (len(k.ConsumerBy) == 0 || string(k.ConsumerBy) == "null") {
		wrong = append(wrong, errors.New("config.consumer_by: must be given here, as go-pluginserver's schema has no defaults: username, custom_id or both, or [] for none"))
	}
	return errors.Join(wrong...)
}
