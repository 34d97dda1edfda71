package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxListed   = 8   // problems that the text of an error shows
	maxProblems = 100 // problems that an error holds
)

// SyntaxError is the error for a text that is not one JSON value.
type SyntaxError struct {
	Line, Column int    // position of the error, counted from 1; Column counts bytes
	Pointer      string // JSON pointer (RFC 6901) of the value that was being read
	Message      string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not valid JSON at line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// Problem is one way in which a JSON value differs from the declared shape.
type Problem struct {
	Pointer string `json:"pointer"` // RFC 6901; "" is the whole value
	Message string `json:"message"` // what is wrong and what is allowed; it never contains a string of the value
}

// ShapeError lists the problems of one value, at most 100, in the order in which the
// fields are declared.
type ShapeError struct{ Problems []Problem }

func (e *ShapeError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i == maxListed {
			fmt.Fprintf(&b, "; and %d more", len(e.Problems)-maxListed)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		if p.Pointer == "" {
			b.WriteString(p.Message)
			continue
		}
		b.WriteString(p.Pointer)
		b.WriteString(": ")
		b.WriteString(p.Message)
	}
	return b.String()
}

func newBuffer(data []byte) *bytes.Buffer { return bytes.NewBuffer(data) }

func syntaxError(data []byte, dec *jsontext.Decoder, err error) error {
	offset := dec.InputOffset()
	pointer := dec.StackPointer()
	message := err.Error()
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		offset, pointer = syntactic.ByteOffset, syntactic.JSONPointer
		message = syntactic.Err.Error()
		if errors.Is(err, jsontext.ErrDuplicateName) {
			message = fmt.Sprintf("the name %s occurs twice", pointer.LastToken())
		}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		message = "the text is empty"
	}
	offset = min(offset, int64(len(data)))
	line := 1 + bytes.Count(data[:offset], []byte{'\n'})
	column := int(offset) - bytes.LastIndexByte(data[:offset], '\n')
	return &SyntaxError{Line: line, Column: column, Pointer: string(pointer), Message: message}
}

func asShapeError(err error) error {
	if semantic, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		message := fmt.Sprintf("cannot be read as %v", semantic.GoType)
		if semantic.Err != nil {
			message = semantic.Err.Error()
		}
		return &ShapeError{Problems: []Problem{{Pointer: string(semantic.JSONPointer), Message: message}}}
	}
	return err
}
