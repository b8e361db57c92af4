#!/usr/bin/python3
"""A browser of WebKitGTK for WebKitWebDriver, with Intelligent Tracking Prevention on.

MiniBrowser drives an ephemeral session under automation, where its --enable-itp has no effect. This one keeps its data
in a folder, as a person's browser does, and is otherwise as bare.

Arguments: folder for the data, proxy as host:port, and "itp" or "no-itp".
"""
import sys

import gi

gi.require_version('Gtk', '3.0')
gi.require_version('WebKit2', '4.1')
from gi.repository import Gtk, WebKit2  # noqa: E402

folder, proxy, itp = sys.argv[1:4]

manager = WebKit2.WebsiteDataManager(
    base_data_directory=folder + '/data', base_cache_directory=folder + '/cache')
manager.set_itp_enabled(itp == 'itp')
# The test's certificate is made for the day.
manager.set_tls_errors_policy(WebKit2.TLSErrorsPolicy.IGNORE)
manager.set_network_proxy_settings(
    WebKit2.NetworkProxyMode.CUSTOM, WebKit2.NetworkProxySettings.new('http://' + proxy, None))
manager.get_cookie_manager().set_persistent_storage(
    folder + '/cookies.sqlite', WebKit2.CookiePersistentStorage.SQLITE)
# As in browsers that people use: the process of a page stays for a while when its tab is gone, and what the page sent
# last gets out. Without it, one in ten of the events of a closing tab dies with the process, whoever sends them.
context = WebKit2.WebContext(
    website_data_manager=manager, process_swap_on_cross_site_navigation_enabled=True)
context.set_automation_allowed(True)
windows = []


def create_view(_session):
    view = WebKit2.WebView(web_context=context, is_controlled_by_automation=True)
    window = Gtk.Window()
    window.set_default_size(1024, 768)
    window.add(view)
    window.show_all()
    windows.append(window)
    view.connect('close', lambda _view: window.destroy())
    return view


def start(_context, session):
    info = WebKit2.ApplicationInfo()
    info.set_name('postern-test')
    info.set_version(1, 0, 0)
    session.set_application_info(info)
    session.connect('create-web-view', create_view)


context.connect('automation-started', start)
Gtk.main()
