<?php // hello
