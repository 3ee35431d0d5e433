"""The service: pictures in over HTTP, label maps out, each framework in a process of its own.

`uploads` what is let in; `worker` one framework; `engine` its queue and batches; `models` weights, protocols, samples;
`app` the HTTP interface; `page.html` the page on it.
"""
