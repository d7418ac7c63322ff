package fakekong

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"mtls-auth/mtlsauth/internal/testing/errlog"
	"mtls-auth/mtlsauth/internal/testing/fakekong/process"
	"mtls-auth/mtlsauth/internal/testing/fakekong/rpc"
	"mtls-auth/mtlsauth/internal/testing/fakekong/schema"
)

// state is what a configuration and a generation of workers amount to; a
// request keeps the one that it began with.
type state struct {
	config  *config
	client  *rpc.Client // nil without a plugin server
	schema  schema.Schema
	workers *workers
}

// query asks the plugin server for its plugin and takes over what it says.
func (k *Kong) query(ctx context.Context) error {
	if k.opts.QueryCommand == "" {
		return nil
	}
	k.log.Printf(errlog.Notice, "[kong] process.lua:96 [pluginserver] loading external plugins info")
	info, err := process.Query(ctx, k.opts.QueryCommand)
	if err != nil {
		return err
	}
	if _, err := schema.Parse(info.Name, info.Schema); err != nil {
		return fmt.Errorf("error loading plugin schemas: on plugin '%s': %w", info.Name, err)
	}
	k.info = info
	if k.socket = k.opts.Socket; k.socket == "" {
		k.socket = filepath.Join(k.opts.Prefix, info.Name+".socket")
	}
	if info.SocketPath != k.socket {
		k.log.Printf(errlog.Warn, "plugin server says that it listens on %s; connections go to %s", info.SocketPath, k.socket)
	}
	return nil
}

// newState makes the first state of new workers from a configuration's text.
func (k *Kong) newState(text []byte) (*state, error) {
	st := &state{}
	var err error
	if st.workers, err = k.newWorkers(); err != nil {
		return nil, err
	}
	if k.info != nil {
		if st.schema, err = schema.Parse(k.info.Name, k.info.Schema); err != nil {
			return nil, err
		}
		st.client = rpc.New(rpc.Options{
			Socket: k.socket, Plugin: k.info.Name, Workers: k.opts.Workers, ReadTimeout: k.opts.ReadTimeout,
			ClaimTimeout: k.opts.ClaimTimeout, NullValue: k.opts.NullValue, Trusted: k.trusts, Consumers: k, Log: k.log, Seq: &k.seq,
		})
	}
	if err := st.load(text, k.info); err != nil {
		st.workers.close()
		return nil, err
	}
	return st, nil
}

// Configure replaces the configuration, as POST /config does: at the next
// request of each worker the plugin gets StartInstance for the new and
// CloseInstance for the old one, also when nothing has changed. The old
// configuration stays in force when the new one is refused.
func (k *Kong) Configure(text []byte) error {
	k.reload.Lock()
	defer k.reload.Unlock()
	old := k.state.Load()
	st := &state{client: old.client, schema: old.schema, workers: old.workers}
	if err := st.load(text, k.info); err != nil {
		return err
	}
	k.state.Store(st)
	return st.workers.reconfigure(st.config)
}

// Reload is kong reload: the plugin is queried again, a new process is started
// at once, new requests go to new workers, which know no instance, running ones
// end in the old; the old process gets SIGTERM after the grace. An error leaves
// all as it was.
func (k *Kong) Reload(ctx context.Context) error {
	k.reload.Lock()
	defer k.reload.Unlock()
	old := k.state.Load()
	if err := k.query(ctx); err != nil {
		return err
	}
	st, err := k.newState(old.config.text)
	if err != nil {
		return err
	}
	if process_ := k.current; process_ != nil {
		if k.current, err = process.Start(k.info.Name, k.opts.StartCommand, k.log); err != nil {
			k.current = process_
			st.workers.close()
			return err
		}
		process_.Retire()
		k.retired.Go(func() {
			select {
			case <-time.After(cmp.Or(k.opts.ReloadGrace, 10*time.Second)):
			case <-k.ctx.Done():
			}
			process_.Stop(stopTimeout)
			if old.client != nil {
				old.client.Close()
			}
		})
	}
	if err := st.workers.begin(st.config); err != nil {
		st.workers.close()
		return err
	}
	k.state.Store(st)
	k.retired.Go(func() { old.workers.quit(cmp.Or(k.opts.ReloadGrace, 10*time.Second)) })
	return nil
}

// load reads a configuration, checks it as Kong does and gives the plugin
// server's configurations to the workers.
func (st *state) load(text []byte, info *process.Info) error {
	c := &config{text: text}
	doc, err := decodeConfig(text)
	if err != nil {
		return err
	}
	l := &loader{config: c, schema: st.schema, info: info, workers: st.workers}
	if err := l.load(doc); err != nil {
		return err
	}
	for _, p := range c.plugins {
		if p.external == nil {
			continue
		}
		if p.loaded, err = st.client.Load(p.external); err != nil {
			return err
		}
	}
	st.config = c
	return nil
}
