package main

import (
	"flag"
	"fmt"
	"strings"
)

// envName is the variable that stands for a flag: tls-cert is AUREUS_TLS_CERT.
func envName(flagName string) string {
	return "AUREUS_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// fromEnvironment sets the flags that were not given from their variables. An
// empty variable is none. The error names the variable, not its value, which
// may be a secret in the wrong place.
func fromEnvironment(flags *flag.FlagSet, getenv func(string) string) error {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var err error
	flags.VisitAll(func(f *flag.Flag) {
		value := getenv(envName(f.Name))
		if given[f.Name] || value == "" || err != nil {
			return
		}
		if flags.Set(f.Name, value) != nil {
			err = fmt.Errorf("the environment variable %s cannot be read as the flag --%s: %s", envName(f.Name), f.Name, f.Usage)
		}
	})
	return err
}
