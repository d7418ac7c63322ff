package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// pluginServerOnly are the tests that are about the plugin server alone, and why:
// they are skipped behind the native door.
var pluginServerOnly = map[string]string{
	"TestWithTheNginxDirective":                 "the native door asks for certificates itself, also where the directive does",
	"TestWhoIsAsked":                            "the native door needs no pre-function: TestNativeDoorAsks",
	"TestSessions":                              "the native door needs no directive: TestNativeDoorAsks",
	"TestAChainThatIsNil":                       "of the protocol",
	"TestAnAdminAPIThatGoesAway":                "the native door asks no Admin API",
	"TestSIGHUPReadsTheSourcesAtOnce":           "-ca-dir",
	"TestConsumersThatCanNotBeLookedUp":         "-ca-dir, -admin-url",
	"TestConsumersFromKongItself":               "-ca-dir, load_consumer",
	"TestCredentialsFile":                       "-credentials",
	"TestSIGHUPForgetsConsumers":                "behind the native door a consumer that is deleted is gone at once",
	"TestCredentialsInADeclarativeFile":         "-declarative-config",
	"TestWhatIsSetForLaterPlugins":              "of the protocol",
	"TestACredentialOfAnEarlierPlugin":          "of the protocol",
	"TestKongThatKnowsNobodyAtAll":              "load_consumer",
	"TestCredentialsThatCanNotBeReadAtTheStart": "-credentials",
}

// skipsBehind skips a test that is not for a door.
func skipsBehind(t testing.TB, d door) {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	if why := pluginServerOnly[test]; d == native && why != "" {
		t.Skip("the plugin server's alone: " + why)
	}
}

// A test that is not there is skipped for no reason.
func TestWhatIsThePluginServersAlone(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	for test := range pluginServerOnly {
		if !bytes.Contains(all, []byte("\nfunc "+test+"(t *testing.T)")) {
			t.Errorf("there is no %s", test)
		}
	}
}

// newNativeRig starts a real Kong in front of the native door, where there is one.
func newNativeRig(t testing.TB, authorities cas, plugins routes, change ...func(*realkong.Options)) *rig {
	t.Helper()
	needsKong(t)
	return newRigBehind(t, native, authorities, plugins, change...)
}

func needsKong(t testing.TB) {
	t.Helper()
	if os.Getenv(realkong.Variable) == "" {
		t.Skip("NO KONG HERE: " + realkong.Variable + " names its command; the native door was not tried")
	}
}
