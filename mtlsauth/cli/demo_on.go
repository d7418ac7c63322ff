//go:build !release

package cli

import kongdemo "mtls-auth/mtlsauth/cli/demo"

var runDemo = kongdemo.Run

type demoOptions = kongdemo.Options
