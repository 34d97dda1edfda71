package routers

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
)

// Gin is a guard as a handler of gin, for a route, a group or the whole engine.
// describe finds the pattern of the route in r.Pattern, as "POST /accounts/:id",
// and the parameters with r.PathValue.
func Gin(protect func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Request.Pattern = c.Request.Method + " " + c.FullPath()
		for _, parameter := range c.Params {
			c.Request.SetPathValue(parameter.Key, parameter.Value)
		}
		passed := false
		protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passed = true
			own, request := c.Writer, c.Request
			defer func() { c.Writer, c.Request = own, request }()
			c.Writer, c.Request = &ginWriter{ResponseWriter: own, guarded: w}, r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort() // without it, gin goes on to the handler that was refused
		}
	}
}

// ginWriter lets handlers write through the guard's writer, which sees what they
// answer, and asks gin's own for the rest.
type ginWriter struct {
	gin.ResponseWriter

	guarded http.ResponseWriter
}

// Unwrap is for http.ResponseController.
func (w *ginWriter) Unwrap() http.ResponseWriter { return w.guarded }

// WriteHeader implements http.ResponseWriter.
func (w *ginWriter) WriteHeader(status int) { w.guarded.WriteHeader(status) }

// Write implements http.ResponseWriter.
func (w *ginWriter) Write(b []byte) (int, error) { return w.guarded.Write(b) }

// WriteString implements io.StringWriter.
func (w *ginWriter) WriteString(text string) (int, error) { return io.WriteString(w.guarded, text) }

// Flush implements http.Flusher.
func (w *ginWriter) Flush() { _ = http.NewResponseController(w.guarded).Flush() }

// Hijack implements http.Hijacker.
func (w *ginWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.guarded).Hijack()
}
