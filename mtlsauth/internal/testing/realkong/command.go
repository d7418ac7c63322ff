package realkong

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// run runs the kong command. Variables of its own would go before kong.conf.
func (k *Kong) run(ctx context.Context, args ...string) error {
	_, err := run(ctx, k.opts.Environment, k.opts.Command, args...)
	return err
}

func run(ctx context.Context, environment []string, command string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command, args...)
	// Who interrupts this program at a terminal does not interrupt the command
	// as well, half way of starting or stopping a Kong.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "KONG_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, environment...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kong %s: %w\n%s", args[0], err, out)
	}
	return string(out), nil
}

// Version returns what kong version says, such as 3.9.1.
func Version(ctx context.Context, command string) (string, error) {
	out, err := run(ctx, nil, command, "version")
	return strings.TrimSpace(out), err
}
