package main

import (
	"fmt"
	"io"
	"time"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// printer writes to standard output in the form that the flag --output names.
// It is a [flag.Value]; its zero value writes text.
type printer struct {
	stdout io.Writer
	json   bool
}

// String implements [flag.Value].
func (p *printer) String() string {
	if p.json {
		return "json"
	}
	return "text"
}

// Set implements [flag.Value].
func (p *printer) Set(form string) error {
	if form != "text" && form != "json" {
		return fmt.Errorf("it must be text or json, not %.20q", form)
	}
	p.json = form == "json"
	return nil
}

// print writes the value as one line of JSON.
func (p *printer) print(value any) error {
	text, err := strictjson.MarshalText(value)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(append(text, '\n'))
	return err
}

// describedKey is a key in JSON. Scripts read it: fields are added, and never
// renamed or removed.
type describedKey struct {
	ID        string   `json:"id"`
	Tenant    string   `json:"tenant"`
	Subject   string   `json:"subject"`
	Role      string   `json:"role"`
	SpeaksFor []string `json:"speaks_for"`
	CreatedAt string   `json:"created_at"`          // RFC 3339
	RevokedAt string   `json:"revoked_at,omitzero"` // RFC 3339; absent while the key is good
	Secret    string   `json:"secret,omitzero"`     // of a key just made
}

func describe(key controlplane.Key) describedKey {
	d := describedKey{
		ID: key.ID, Tenant: key.Tenant, Subject: key.Subject, Role: string(key.Role), SpeaksFor: key.SpeaksFor,
		CreatedAt: key.CreatedAt.UTC().Format(time.RFC3339),
	}
	if d.SpeaksFor == nil {
		d.SpeaksFor = []string{}
	}
	if !key.RevokedAt.IsZero() {
		d.RevokedAt = key.RevokedAt.UTC().Format(time.RFC3339)
	}
	return d
}

// revokedKey says that a key is revoked, now or before.
type revokedKey struct {
	ID      string `json:"id"`
	Revoked bool   `json:"revoked"`
}
