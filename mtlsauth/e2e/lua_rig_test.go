package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mtls-auth/mtlsauth/internal/testing/realkong"
)

// pluginServerOnly are the tests that are about plugin-server mode alone, and why:
// they are skipped in Lua mode.
var pluginServerOnly = map[string]string{
	"TestWithTheNginxDirective":                 "in Lua mode the plugin asks for certificates itself, also where the directive does",
	"TestWhoIsAsked":                            "Lua mode needs no pre-function: TestLuaAsks",
	"TestSessions":                              "Lua mode needs no directive: TestLuaAsks",
	"TestAChainThatIsNil":                       "of the protocol",
	"TestAnAdminAPIThatGoesAway":                "Lua mode asks no Admin API",
	"TestSIGHUPReadsTheSourcesAtOnce":           "-ca-dir",
	"TestConsumersThatCanNotBeLookedUp":         "-ca-dir, -admin-url",
	"TestConsumersFromKongItself":               "-ca-dir, load_consumer",
	"TestCredentialsFile":                       "-credentials",
	"TestSIGHUPForgetsConsumers":                "in Lua mode a consumer that is deleted is gone at once",
	"TestCredentialsInADeclarativeFile":         "-declarative-config",
	"TestWhatIsSetForLaterPlugins":              "of the protocol",
	"TestACredentialOfAnEarlierPlugin":          "of the protocol",
	"TestKongThatKnowsNobodyAtAll":              "load_consumer",
	"TestCredentialsThatCanNotBeReadAtTheStart": "-credentials",
}

// skipsIn skips a test that is not about a mode.
func skipsIn(t testing.TB, m mode) {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	if why := pluginServerOnly[test]; m == luaMode && why != "" {
		t.Skip("about plugin-server mode: " + why)
	}
}

// A test that is not there is skipped for no reason.
func TestWhatIsThePluginServersAlone(t *testing.T) {
	once(t)
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

// newLuaRig starts a Kong in Lua mode. In the process of the other mode the test is
// skipped: it is about Lua mode.
func newLuaRig(t testing.TB, authorities cas, plugins routes, change ...func(*realkong.Options)) *rig {
	t.Helper()
	if chosenMode(t) != luaMode {
		t.Skip("about Lua mode")
	}
	return newRigIn(t, luaMode, authorities, plugins, change...)
}

// needsKong skips a test that only a real Kong can carry.
func needsKong(t testing.TB) {
	t.Helper()
	if os.Getenv(realkong.Variable) == "" {
		t.Skip("needs a real Kong: " + realkong.Variable + " names its command")
	}
}
