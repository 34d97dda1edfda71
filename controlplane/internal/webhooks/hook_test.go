package webhooks

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func hookAt(address string, kinds ...string) Hook {
	return Hook{Name: "chat", URL: address, Secret: testSecret, Kinds: kinds, Tenant: "default"}
}

func TestConfig_Valid_IsAccepted(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{
		{},
		{Hooks: []Hook{hookAt("https://chat.example.com/hook?token=1", "approval.*", "checkpoint")}, Console: "https://aureus.example.com/"},
		{Hooks: []Hook{hookAt("http://Receiver.internal:8080/", "*")}, Hosts: []string{"receiver.INTERNAL"}},
		{Hooks: []Hook{hookAt("http://127.0.0.1:8080/", "stop.added")}, Hosts: []string{"127.0.0.1"}},
		{Hooks: []Hook{hookAt("https://[2606:4700:4700::1111]/", "policy.*")}},
	} {
		require.NoError(t, c.Check())
	}
}

func TestConfig_Wrong_IsRefusedWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	const address = "https://chat.example.com/T0KEN"
	with := func(change func(*Hook)) Config {
		h := hookAt(address, "*")
		change(&h)
		return Config{Hooks: []Hook{h}, Hosts: []string{"allowed.internal"}}
	}
	for name, c := range map[string]Config{
		"no name":                 with(func(h *Hook) { h.Name = "" }),
		"a name with a space":     with(func(h *Hook) { h.Name = "a b" }),
		"the same name twice":     {Hooks: []Hook{hookAt(address, "*"), hookAt(address, "*")}},
		"no tenant":               with(func(h *Hook) { h.Tenant = "" }),
		"no secret":               with(func(h *Hook) { h.Secret = "" }),
		"a secret without prefix": with(func(h *Hook) { h.Secret = strings.TrimPrefix(testSecret, "whsec_") }),
		"a short secret":          with(func(h *Hook) { h.Secret = "whsec_c2hvcnQ=" }),
		"no kind":                 with(func(h *Hook) { h.Kinds = nil }),
		"an unknown kind":         with(func(h *Hook) { h.Kinds = []string{"approval.aksed"} }),
		"half of a word":          with(func(h *Hook) { h.Kinds = []string{"appro*"} }),
		"no URL":                  with(func(h *Hook) { h.URL = "" }),
		"a file":                  with(func(h *Hook) { h.URL = "file:///T0KEN" }),
		"http":                    with(func(h *Hook) { h.URL = "http://chat.example.com/T0KEN" }),
		"a user":                  with(func(h *Hook) { h.URL = "https://u:T0KEN@chat.example.com/" }),
		"a control character":     with(func(h *Hook) { h.URL = "https://chat.example.com/T0KEN\n" }),
		"a long URL":              with(func(h *Hook) { h.URL = "https://chat.example.com/T0KEN" + strings.Repeat("x", maxURL) }),
		"loopback":                with(func(h *Hook) { h.URL = "https://127.0.0.1/T0KEN" }),
		"metadata by name":        {Hooks: []Hook{hookAt("http://169.254.169.254/T0KEN", "*")}, Hosts: []string{"169.254.169.254"}},
		"mapped loopback":         with(func(h *Hook) { h.URL = "https://[::ffff:127.0.0.1]/T0KEN" }),
		"a console with a path":   {Console: "https://aureus.example.com/console"},
		"a console without host":  {Console: "aureus.example.com"},
		"too many":                {Hooks: make([]Hook, MaxHooks+1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.Check()
			require.Error(t, err)
			require.NotContains(t, err.Error(), "T0KEN")
			require.NotContains(t, err.Error(), "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
		})
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(format, hookAt(address, "*"))
		require.Equal(t, "chat at chat.example.com", text)
	}
}

func TestReadFile_YAMLAndJSON_AreTheSame(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "webhooks.yaml")
	for _, text := range []string{
		"console: https://a.example\nallow_hosts: [chat.internal]\nwebhooks:\n- name: chat\n  url: https://chat.internal/x\n  secret: " + testSecret + "\n  kinds: [approval.asked]\n",
		`{"console":"https://a.example","allow_hosts":["chat.internal"],"webhooks":[{"name":"chat","url":"https://chat.internal/x","secret":"` + testSecret + `","kinds":["approval.asked"]}]}`,
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		config, err := ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, Config{Console: "https://a.example", Hosts: []string{"chat.internal"}, Hooks: []Hook{
			{Name: "chat", URL: "https://chat.internal/x", Secret: testSecret, Kinds: []string{"approval.asked"}},
		}}, config)
	}
}

func TestReadFile_WrongFile_IsRefusedWithoutItsText(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "webhooks.yaml")
	for name, text := range map[string]string{
		"an unknown key":  "webhooks:\n- name: chat\n  secrets: " + testSecret + "\n",
		"a wrong type":    "webhooks:\n- name: chat\n  kinds: " + testSecret + "\n",
		"a key twice":     "webhooks: []\nwebhooks: [" + testSecret + "]\n",
		"not YAML":        "webhooks: [" + testSecret,
		"two documents":   "webhooks: []\n---\nsecret: " + testSecret + "\n",
		"an empty file":   "",
		"a text too long": "console: " + testSecret + strings.Repeat("x", maxFile),
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			_, err := ReadFile(file)
			require.ErrorContains(t, err, file)
			require.NotContains(t, err.Error(), "whsec_")
		})
	}
	_, err := ReadFile(folder)
	require.Error(t, err)
	if runtime.GOOS != "windows" {
		require.NoError(t, os.WriteFile(file, []byte("webhooks: []"), 0o600))
		require.NoError(t, os.Chmod(file, 0o640))
		_, err = ReadFile(file)
		require.ErrorContains(t, err, "chmod 600")
	}
}
