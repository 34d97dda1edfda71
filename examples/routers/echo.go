package routers

import (
	"net/http"

	echov4 "github.com/labstack/echo/v4"
	"github.com/labstack/echo/v5"
)

// Echo returns a guard as echo 5 middleware for a route, a group or the whole
// server. In describe, r.Pattern is the pattern of the route, such as "POST
// /accounts/:id", and r.PathValue returns the parameters.
func Echo(protect func(http.Handler) http.Handler) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			request := c.Request()
			request.Pattern = request.Method + " " + c.Path()
			for _, value := range c.PathValues() {
				request.SetPathValue(value.Name, value.Value)
			}
			protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c.SetRequest(r)
				c.SetResponse(echo.NewResponse(w, c.Logger()))
				if err := next(c); err != nil {
					c.Echo().HTTPErrorHandler(c, err) // here, so that the guard sees the response
				}
			})).ServeHTTP(c.Response(), request)
			return nil // the response to a denial has been written
		}
	}
}

// EchoV4 is Echo for echo 4.
func EchoV4(protect func(http.Handler) http.Handler) echov4.MiddlewareFunc {
	return func(next echov4.HandlerFunc) echov4.HandlerFunc {
		return func(c echov4.Context) error {
			request := c.Request()
			request.Pattern = request.Method + " " + c.Path()
			for i, name := range c.ParamNames() {
				request.SetPathValue(name, c.ParamValues()[i])
			}
			protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c.SetRequest(r)
				c.SetResponse(echov4.NewResponse(w, c.Echo()))
				if err := next(c); err != nil {
					c.Error(err) // here, so that the guard sees the response
				}
			})).ServeHTTP(c.Response(), request)
			return nil // the response to a denial has been written
		}
	}
}
