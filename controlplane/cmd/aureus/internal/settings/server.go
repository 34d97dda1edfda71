package settings

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Server is a control plane and the API key for it.
type Server struct {
	URL, Key string
	Source   string // where the key is from, or should be, for people
}

// config is the configuration file.
type config struct {
	Default  string             `json:"default,omitzero"` // the profile that is used if none is named
	Profiles map[string]profile `json:"profiles"`
}

type profile struct {
	URL    string `json:"url"`
	APIKey string `json:"api_key"`
}

// Environment variables.
const (
	urlVar     = "AUREUS_URL"
	keyVar     = "AUREUS_API_KEY"
	profileVar = "AUREUS_PROFILE"
	configVar  = "AUREUS_CONFIG"
)

// Find returns the control plane that the flags, the environment or the configuration
// file name, in this order; url and name are the values of the flags --url and --profile,
// or empty. Address and key are always from the same place, so that no key is sent to the
// control plane of another one: the key of a profile is only used with its address, and
// AUREUS_API_KEY with --url or AUREUS_URL.
func Find(getenv func(string) string, url, name string) (Server, error) {
	if url != "" && name != "" {
		return Server{}, errors.New("--url and --profile cannot be used together")
	}
	if url == "" && name == "" {
		url = getenv(urlVar)
	}
	if url != "" {
		return Server{URL: url, Key: getenv(keyVar), Source: keyVar}, nil
	}
	if name == "" {
		name = getenv(profileVar)
	}
	file := ConfigFile(getenv)
	c, err := readConfig(file)
	switch {
	case isMissing(err) && name == "" && getenv(configVar) == "":
		return Server{}, fmt.Errorf("--url is required, or AUREUS_URL with the address of the control plane, or the configuration file %s", file)
	case isMissing(err):
		return Server{}, fmt.Errorf("the configuration file %s does not exist", file)
	case err != nil:
		return Server{}, err
	}
	return c.find(file, name)
}

func (c *config) find(file, name string) (Server, error) {
	if name == "" {
		name = c.Default
	}
	if name == "" && len(c.Profiles) == 1 {
		for only := range c.Profiles {
			name = only
		}
	}
	p, found := c.Profiles[name]
	if !found {
		var names []string
		for known := range c.Profiles {
			names = append(names, fmt.Sprintf("%.50q", known))
		}
		slices.Sort(names)
		names = names[:min(len(names), 20)]
		if name == "" {
			return Server{}, fmt.Errorf("%s names no default profile: use --profile with one of %s", file, strings.Join(names, ", "))
		}
		return Server{}, fmt.Errorf("%s has no profile %.50q; it has %s", file, name, strings.Join(names, ", "))
	}
	return Server{URL: p.URL, Key: p.APIKey, Source: fmt.Sprintf("the profile %.50q in %s", name, file)}, nil
}

func readConfig(file string) (*config, error) {
	text, err := readPrivate(file)
	if err != nil {
		return nil, err
	}
	var c config
	if err := strictjson.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf(`%s is not a configuration: it must be like {"default": "work", "profiles": {"work": {"url": "https://…", "api_key": "key_…"}}}: %w`, file, withoutText(err))
	}
	for name, p := range c.Profiles {
		if p.URL == "" || p.APIKey == "" {
			return nil, fmt.Errorf("%s: the profile %.50q must have a url and an api_key", file, name)
		}
	}
	return &c, nil
}

// withoutText removes what an error of reading JSON may quote of the file, which has keys.
func withoutText(err error) error {
	if shape, ok := errors.AsType[*strictjson.ShapeError](err); ok {
		return fmt.Errorf("%d values do not have the expected type or are missing", len(shape.Problems))
	}
	return errors.New("it is not valid JSON")
}

// ConfigFile returns the path of the configuration file: AUREUS_CONFIG, or config.json in
// the folder aureus of the user's folder for configurations.
func ConfigFile(getenv func(string) string) string {
	if file := getenv(configVar); file != "" {
		return file
	}
	return filepath.Join(userFolder(getenv, "XDG_CONFIG_HOME", "APPDATA", ".config"), "aureus", "config.json")
}

// userFolder returns the folder that a variable names, or the one in the user's home.
func userFolder(getenv func(string) string, variable, windows, inHome string) string {
	if folder := getenv(variable); filepath.IsAbs(folder) {
		return folder
	}
	if folder := getenv(windows); runtime.GOOS == "windows" && folder != "" {
		return folder
	}
	return filepath.Join(getenv("HOME"), inHome)
}
