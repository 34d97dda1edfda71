package webhooks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime"

	"go.yaml.in/yaml/v4"
)

const maxFile = 64 << 10 // bytes

// fileForm is the form of a webhook file.
type fileForm struct {
	Console  string   `yaml:"console"`
	Hosts    []string `yaml:"allow_hosts"` //nolint:tagliatelle // as the keys of policy bundles
	Webhooks []Hook   `yaml:"webhooks"`
}

var errorLine = regexp.MustCompile(`line \d+`)

// ReadFile reads a configuration from a file in YAML or JSON with the keys console,
// allow_hosts and webhooks, and in each webhook name, url, secret, kinds and tenant. It is
// not checked; see [Config.Check]. The file must be an ordinary file which its owner alone
// may read and write (on Windows the mode is not checked). Errors contain nothing of the
// file's text.
func ReadFile(file string) (Config, error) {
	text, err := readPrivate(file)
	if err != nil {
		return Config{}, err
	}
	var form fileForm
	if err := yaml.Load(text, &form, yaml.WithKnownFields()); err != nil {
		where := errorLine.FindString(err.Error()) // the rest may quote a secret
		if where != "" {
			where = " at " + where
		}
		return Config{}, fmt.Errorf("%s cannot be read%s: it must have the keys console, allow_hosts and webhooks, and each webhook the keys name, url, secret, kinds (a list) and tenant", file, where)
	}
	return Config{Hooks: form.Webhooks, Hosts: form.Hosts, Console: form.Console}, nil
}

func readPrivate(file string) (text []byte, err error) {
	in, err := os.Open(file) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not an ordinary file", file)
	case runtime.GOOS != "windows" && info.Mode().Perm()&(fs.ModePerm&0o077) != 0:
		return nil, fmt.Errorf("%s may be read or written by other users (mode %04o), and has secrets: chmod 600 it, and replace the secrets if somebody may have read them", file, info.Mode().Perm())
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s has more than %d bytes", file, maxFile)
	}
	return io.ReadAll(io.LimitReader(in, maxFile))
}
